{{ config(order_by='(corp_id, week_start, store_id)') }}

{% set from_day %}toMonday(today()) - {{ 7 * var('weeks') | int }}{% endset %}

-- Each part stands for itself: a store with a target and without an add keeps its row.
with days as (
    select
        corp_id, store_id, business_date, adds, net_adds,
        0 as qualified_adds, 0 as qualified_final, 0 as net_adds_target, 0 as qualified_adds_target
    from {{ ref('stg_yinliu__counts_1d') }}
    where business_date >= {{ from_day }}

    union all

    select corp_id, store_id, business_date, 0, 0, qualified_adds, qualified_final, 0, 0
    from {{ ref('stg_yinliu__qualified_adds_1d') }}
    where business_date >= {{ from_day }}

    union all

    select
        corp_id, level_id, business_date, 0, 0, 0, 0,
        if(metric = 'net_adds', target, 0), if(metric = 'qualified_adds', target, 0)
    from {{ ref('stg_yinliu__targets_1d') }}
    where business_date >= {{ from_day }} and level = 'store' and metric in ('net_adds', 'qualified_adds')
),

weeks as (
    select
        corp_id, store_id, toMonday(business_date) as week_start,
        sum(d.adds) as adds, sum(d.net_adds) as net_adds,
        sum(d.qualified_adds) as qualified_adds, sum(d.qualified_final) as qualified_final,
        sum(d.net_adds_target) as net_adds_target, sum(d.qualified_adds_target) as qualified_adds_target
    from days as d
    group by corp_id, store_id, week_start
),

heads as (
    select corp_id, level_id as store_id, toMonday(business_date) as week_start, argMax(n.staff_active, n.business_date) as staff_active
    from {{ ref('stg_yinliu__headcount_1d') }} as n
    where business_date >= {{ from_day }} and level = 'store'
    group by corp_id, store_id, week_start
)

select
    w.corp_id as corp_id,
    w.week_start as week_start,
    toUInt8(toISOWeek(w.week_start)) as iso_week,
    toUInt16(toISOYear(w.week_start)) as iso_year,
    s.region_id as region_id,
    s.region_name as region_name,
    w.store_id as store_id,
    s.store_name as store_name,
    toUInt64(w.adds) as adds,
    toInt64(w.net_adds) as net_adds,
    toUInt64(w.qualified_adds) as qualified_adds,
    toUInt64(w.qualified_final) as qualified_final,
    toUInt64(h.staff_active) as staff_active,
    toUInt64(w.net_adds_target) as net_adds_target,
    toUInt64(w.qualified_adds_target) as qualified_adds_target,
    w.net_adds / nullIf(h.staff_active, 0) as net_adds_per_head,
    w.qualified_adds / nullIf(h.staff_active, 0) as qualified_adds_per_head,
    w.net_adds / nullIf(w.net_adds_target, 0) as net_adds_share,
    w.qualified_adds / nullIf(w.qualified_adds_target, 0) as qualified_adds_share,
    least(f.counts_complete_through, r.figures_complete_through) as complete_through
from weeks as w
left join {{ ref('stg_yinliu__stores') }} as s on s.corp_id = w.corp_id and s.store_id = w.store_id
left join heads as h on h.corp_id = w.corp_id and h.store_id = w.store_id and h.week_start = w.week_start
left join {{ ref('stg_yinliu__freshness') }} as f on f.corp_id = w.corp_id
cross join (select min(figure_complete_through) as figures_complete_through from {{ ref('stg_yinliu__refresh') }}) as r
