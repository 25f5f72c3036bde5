select corp_id, store_id, store_name, region_id, region_name, staff_active
from {{ source('yinliu', 'dim_store') }}
