select
    corp_id, business_date, region_id, store_id, staff_id,
    adds, deletes_by_customer, deletes_by_staff,
    toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff) as net_adds
from {{ source('yinliu', 'v_counts_1d_staff') }}
