select corp_id, staff_id, count() as places
from {{ source('yinliu', 'dim_staff') }}
group by corp_id, staff_id
having places > 1
