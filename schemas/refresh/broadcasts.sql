-- Losses after the broadcasts of days that facts came in for: of the day of a fact, and the two before it.
INSERT INTO broadcast_rows (
    corp_id, business_date, task_id, staff_id, src_topic, src_partition, src_offset, region_id, store_id, task_name,
    sent_at, audience, deleted_24h, digest, version)
WITH
    picked AS (
        SELECT DISTINCT corp_id, business_date - back AS business_date
        FROM facts
        ARRAY JOIN [0, 1, 2] AS back
        WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC')
            AND type IN ('broadcast.sent', 'friend.deleted_by_customer', 'friend.added', 'friend.transferred_in')
    ),
    around AS (SELECT DISTINCT corp_id, business_date + forth AS business_date FROM picked ARRAY JOIN [0, 1, 2] AS forth),
    near AS (
        SELECT * FROM facts FINAL
        WHERE (corp_id, business_date) IN (around)
            AND type IN ('broadcast.sent', 'friend.deleted_by_customer', 'friend.added', 'friend.transferred_in')
    ),
    sent AS (
        SELECT corp_id, staff_id, customer_id, occurred_at AS sent_at, task_id, src_topic, src_partition, src_offset
        FROM near
        WHERE type = 'broadcast.sent' AND NOT is_duplicate
    ),
    lost AS (
        SELECT corp_id, staff_id, customer_id, occurred_at AS lost_at
        FROM near
        WHERE type = 'friend.deleted_by_customer' AND NOT is_duplicate
    ),
    begun AS (
        SELECT corp_id, staff_id, customer_id, groupArray(occurred_at) AS begins
        FROM near
        WHERE type IN ('friend.added', 'friend.transferred_in') AND NOT is_duplicate
        GROUP BY corp_id, staff_id, customer_id
    ),
    blamed AS (
        SELECT corp_id, staff_id, customer_id, lost_at, max(tuple(sent_at, task_id, toString(src_topic), src_partition, src_offset)) AS last
        FROM (
            SELECT l.corp_id AS corp_id, l.staff_id AS staff_id, l.customer_id AS customer_id, l.lost_at AS lost_at, s.sent_at AS sent_at, s.task_id AS task_id, s.src_topic AS src_topic, s.src_partition AS src_partition, s.src_offset AS src_offset
            FROM lost AS l
            INNER JOIN (SELECT * FROM sent WHERE customer_id = '') AS s ON s.corp_id = l.corp_id AND s.staff_id = l.staff_id
            WHERE s.sent_at <= l.lost_at AND l.lost_at < s.sent_at + INTERVAL 1 DAY
            UNION ALL
            SELECT l.corp_id, l.staff_id, l.customer_id, l.lost_at, s.sent_at, s.task_id, s.src_topic, s.src_partition, s.src_offset
            FROM lost AS l
            INNER JOIN (SELECT * FROM sent WHERE customer_id != '') AS s ON s.corp_id = l.corp_id AND s.staff_id = l.staff_id AND s.customer_id = l.customer_id
            WHERE s.sent_at <= l.lost_at AND l.lost_at < s.sent_at + INTERVAL 1 DAY
        )
        GROUP BY corp_id, staff_id, customer_id, lost_at
    ),
    deleted AS (
        SELECT tupleElement(b.last, 3) AS src_topic, tupleElement(b.last, 4) AS src_partition, tupleElement(b.last, 5) AS src_offset, uniqExact(b.corp_id, b.customer_id) AS customers
        FROM blamed AS b
        LEFT JOIN begun AS g ON g.corp_id = b.corp_id AND g.staff_id = b.staff_id AND g.customer_id = b.customer_id
        -- Who became a friend after it was sent did not get it.
        WHERE NOT arrayExists(x -> x > tupleElement(b.last, 1) AND x <= b.lost_at, g.begins)
        GROUP BY src_topic, src_partition, src_offset
    ),
    fresh AS (
        SELECT
            n.corp_id AS corp_id, n.business_date AS business_date, n.task_id AS task_id, n.staff_id AS staff_id,
            n.src_topic AS src_topic, n.src_partition AS src_partition, n.src_offset AS src_offset, n.region_id AS region_id,
            n.store_id AS store_id, n.task_name AS task_name, n.occurred_at AS sent_at, ifNull(n.audience, 0) AS audience,
            d.customers AS deleted_24h,
            if(n.is_duplicate, 0, cityHash64(region_id, store_id, task_name, sent_at, audience, deleted_24h)) AS digest
        FROM (SELECT * FROM near WHERE type = 'broadcast.sent' AND (corp_id, business_date) IN (picked)) AS n
        LEFT JOIN deleted AS d ON d.src_topic = n.src_topic AND d.src_partition = n.src_partition AND d.src_offset = n.src_offset
    )
SELECT f.*, {{version}}
FROM fresh AS f
LEFT JOIN (
    SELECT corp_id, business_date, task_id, staff_id, src_topic, src_partition, src_offset, argMax(b.digest, b.version) AS digest
    FROM broadcast_rows AS b
    WHERE (corp_id, business_date) IN (picked)
    GROUP BY corp_id, business_date, task_id, staff_id, src_topic, src_partition, src_offset
) AS before USING (corp_id, business_date, task_id, staff_id, src_topic, src_partition, src_offset)
WHERE f.digest != before.digest;
