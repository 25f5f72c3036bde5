select corp_id, week_start, store_id, count() as copies
from {{ ref('fct_store_week') }}
group by corp_id, week_start, store_id
having copies > 1
