select src_topic, src_partition, src_offset, count() as copies
from {{ source('yinliu', 'events') }}
where business_date >= today() - {{ var('tested_days') | int }}
group by src_topic, src_partition, src_offset
having copies > 1
