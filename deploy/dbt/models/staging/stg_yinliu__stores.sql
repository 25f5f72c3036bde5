select corp_id, store_id, store_name, region_id, region_name
from {{ source('yinliu', 'dim_store') }}
