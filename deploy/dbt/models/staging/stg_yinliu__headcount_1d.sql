select corp_id, business_date, level, id as level_id, staff_active
from {{ source('yinliu', 'v_headcount_1d') }}
