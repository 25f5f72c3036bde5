-- Customers of whom facts came in since the last run: by offset, which no clock can move. `since` only spares reading.
INSERT INTO refresh_queue (run, batch, corp_id, customer_id)
WITH
    ['message.inbound', 'message.outbound'] AS messages,
    came AS (
        SELECT corp_id, customer_id, toString(type) AS type, business_date
        FROM facts
        WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC') AND customer_id != ''
            -- What `reconcile` wrote again has an old offset and a version.
            AND (version > 0 OR src_offset >= {{positions}}[concat(src_topic, '/', toString(src_partition))])
            AND (type IN ('friend.added', 'friend.transferred_in', 'friend.deleted_by_customer', 'friend.deleted_by_staff', 'friend.transferred_out', 'friend.requested', 'order.paid')
                OR type = 'message.inbound' OR type = 'message.outbound' AND NOT auto)
    )
-- In the order of `customer_events`: a batch of neighbours reads a hundredth of it, one of any customers all of it.
SELECT {{run}}, intDiv(row_number() OVER (ORDER BY corp_id, customer_id) - 1, {{size}}), corp_id, customer_id
FROM (
    -- Not DISTINCT, which never goes on on disk: ten million customers of the longest ids would be more than 2 GiB.
    SELECT corp_id, customer_id
    FROM came
    -- Most messages are with old friends. They matter to adds of their own day and the two before, as in episodes.sql.
    WHERE NOT has(messages, type) OR (corp_id, customer_id) IN (
        SELECT corp_id, customer_id FROM facts
        WHERE type = 'friend.added'
            AND business_date >= (SELECT min(business_date) - 2 FROM came WHERE has(messages, type))
            AND business_date <= (SELECT max(business_date) FROM came WHERE has(messages, type)))
    GROUP BY corp_id, customer_id
);
