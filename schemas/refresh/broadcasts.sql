-- Losses after broadcasts: of the days of new broadcasts and of losses that may have changed, and the two before each.
INSERT INTO broadcast_rows (
    corp_id, business_date, task_id, staff_id, src_topic, src_partition, src_offset, region_id, store_id, task_name,
    sent_at, audience, deleted_24h, digest, version)
WITH
    toInt64({{since_ms}}) AS since_ms,
    -- What comes late may change who ended a friendship after it, and so a loss of any later day.
    came AS (
        SELECT corp_id, customer_id, staff_id, min(business_date) AS came_from
        FROM facts
        WHERE since_ms > 0 AND ingested_at >= fromUnixTimestamp64Milli(since_ms, 'UTC')
            AND type IN ('friend.added', 'friend.transferred_in', 'friend.deleted_by_customer', 'friend.deleted_by_staff', 'friend.transferred_out')
        GROUP BY corp_id, customer_id, staff_id
    ),
    picked AS (
        SELECT DISTINCT corp_id, business_date - back AS business_date
        FROM (
            SELECT corp_id, business_date
            FROM facts
            WHERE ingested_at >= fromUnixTimestamp64Milli(since_ms, 'UTC') AND type IN ('broadcast.sent', 'friend.deleted_by_customer')
            UNION ALL
            SELECT e.corp_id, e.business_date
            FROM customer_events AS e
            INNER JOIN came AS c ON c.corp_id = e.corp_id AND c.customer_id = e.customer_id AND c.staff_id = e.staff_id
            WHERE (e.corp_id, e.customer_id) IN (SELECT corp_id, customer_id FROM came) AND e.kind = 'customer' AND e.business_date >= c.came_from
        )
        ARRAY JOIN [0, 1, 2] AS back
    ),
    around AS (SELECT DISTINCT corp_id, business_date + forth AS business_date FROM picked ARRAY JOIN [0, 1, 2] AS forth),
    near AS (
        SELECT * FROM facts FINAL
        WHERE (corp_id, business_date) IN (around) AND type IN ('broadcast.sent', 'friend.deleted_by_customer')
    ),
    sent AS (
        SELECT corp_id, staff_id, customer_id, occurred_at AS sent_at, task_id, src_topic, src_partition, src_offset
        FROM near
        WHERE type = 'broadcast.sent' AND NOT is_duplicate
    ),
    leavers AS (
        SELECT corp_id, customer_id
        FROM near
        WHERE type = 'friend.deleted_by_customer' AND NOT is_duplicate AND (corp_id, staff_id) IN (SELECT corp_id, staff_id FROM sent)
    ),
    -- A deletion of a customer who was no friend any more ends no episode: it is no loss. Who was added again while a friend
    -- has been one since the first of these adds; who was one before the counting began got every broadcast before.
    lost AS (
        SELECT corp_id, staff_id, customer_id, friends_since, ended_at AS lost_at
        FROM (
            SELECT
                corp_id, staff_id, customer_id, begun_by, ended_by, ended_at,
                if(begun_by = 'unknown', toDateTime64(0, 3, 'UTC'), maxIf(began_at, before != 'replaced') OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS friends_since
            FROM (
                SELECT
                    *,
                    lagInFrame(toString(ended_by), 1, '') OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
                FROM episode_rows FINAL
                WHERE digest != 0 AND (corp_id, business_date, customer_id) IN (
                    SELECT corp_id, business_date, customer_id FROM customer_events
                    WHERE (corp_id, customer_id) IN (leavers) AND kind IN ('add', 'transfer_in', 'customer', 'staff', 'transfer'))
            )
        )
        WHERE ended_by = 'customer'
    ),
    blamed AS (
        SELECT l.corp_id AS corp_id, l.customer_id AS customer_id, max(tuple(s.sent_at, s.task_id, toString(s.src_topic), s.src_partition, s.src_offset)) AS last
        -- Sent to all, or to this one.
        FROM (SELECT *, arrayJoin(['', customer_id]) AS addressee FROM lost) AS l
        INNER JOIN sent AS s ON s.corp_id = l.corp_id AND s.staff_id = l.staff_id AND s.customer_id = l.addressee
        WHERE s.sent_at >= l.friends_since AND s.sent_at <= l.lost_at AND l.lost_at < s.sent_at + INTERVAL 1 DAY
        GROUP BY corp_id, l.staff_id, customer_id, l.lost_at
    ),
    deleted AS (
        SELECT tupleElement(b.last, 3) AS src_topic, tupleElement(b.last, 4) AS src_partition, tupleElement(b.last, 5) AS src_offset, uniqExact(b.corp_id, b.customer_id) AS customers
        FROM blamed AS b
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
