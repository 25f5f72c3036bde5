-- Adds of all stores against those of all channels, which are counted apart. Weeks that are still moving would differ by
-- what came between the model and this question.
select corp_id, week_start, sum(c.stores) as of_stores, sum(c.channels) as of_channels
from (
    select corp_id, week_start, adds as stores, 0 as channels
    from {{ ref('fct_store_week') }}
    union all
    select corp_id, toMonday(business_date), 0, adds
    from {{ source('yinliu', 'v_counts_1d_channel') }}
    where business_date >= toMonday(today()) - {{ 7 * var('weeks') | int }}
) as c
where week_start <= today() - 14
group by corp_id, week_start
having of_stores != of_channels
