-- What became of the requests by staff of the picked customers, as far as it changed.
INSERT INTO request_rows (
    corp_id, business_date, customer_id, src_topic, src_partition, src_offset, staff_id, region_id, store_id, channel,
    requested_at, accepted_at, digest, version)
WITH
    toDateTime64('2299-12-31 00:00:00', 3, 'UTC') AS never,
    picked AS (SELECT corp_id, customer_id FROM refresh_queue WHERE run = {{run}} AND batch = {{batch}}),
    happened AS (
        SELECT * FROM customer_events
        WHERE (corp_id, customer_id) IN (picked)
        ORDER BY version DESC
        LIMIT 1 BY corp_id, customer_id, src_topic, src_partition, src_offset
    ),
    answered AS (
        SELECT
            *,
            count() OVER (PARTITION BY corp_id, customer_id) + sum(h.version) OVER (PARTITION BY corp_id, customer_id) AS facts,
            -- An add in the instant of the request answers it.
            minIf(occurred_at, kind = 'add' AND NOT is_duplicate) OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY occurred_at, kind = 'add' ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_add
        FROM happened AS h
    ),
    fresh AS (
        SELECT
            corp_id, business_date, customer_id, src_topic, src_partition, src_offset, staff_id, region_id, store_id, channel,
            occurred_at AS requested_at, if(next_add < occurred_at, never, next_add) AS accepted_at,
            if(is_duplicate, 0, cityHash64(staff_id, region_id, store_id, channel, requested_at, accepted_at)) AS digest,
            bitShiftLeft(toUInt64({{rules}}), 48) + facts AS version
        FROM answered
        WHERE kind = 'request'
    )
SELECT
    f.corp_id, f.business_date, f.customer_id, f.src_topic, f.src_partition, f.src_offset, f.staff_id, f.region_id,
    f.store_id, f.channel, f.requested_at, f.accepted_at, f.digest, f.version
FROM fresh AS f
LEFT JOIN (
    SELECT corp_id, business_date, customer_id, src_topic, src_partition, src_offset, argMax(r.digest, r.version) AS digest
    FROM request_rows AS r
    WHERE (corp_id, business_date, customer_id) IN (
        SELECT corp_id, business_date, customer_id FROM customer_events
        WHERE (corp_id, customer_id) IN (picked) AND kind = 'request')
    GROUP BY corp_id, business_date, customer_id, src_topic, src_partition, src_offset
) AS before USING (corp_id, business_date, customer_id, src_topic, src_partition, src_offset)
WHERE f.digest != before.digest;
