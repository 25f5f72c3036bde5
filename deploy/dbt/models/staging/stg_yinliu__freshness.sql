select corp_id, complete_through as counts_complete_through
from {{ source('yinliu', 'v_freshness') }}
