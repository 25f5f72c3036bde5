select corp_id, business_date, level, id as level_id, metric, target
from {{ source('yinliu', 'v_targets') }}
