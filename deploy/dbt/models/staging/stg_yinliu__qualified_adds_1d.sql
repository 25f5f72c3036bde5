select corp_id, business_date, region_id, store_id, staff_id, channel, qualified_adds, qualified_final
from {{ source('yinliu', 'v_qualified_adds_1d') }}
