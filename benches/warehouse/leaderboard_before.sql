-- The leaderboard from the rows by day and channel, the view by minute and the facts: rejected for that from the rows for boards.
CREATE VIEW leaderboard_before
AS
WITH
    ifNull((SELECT greatest(toStartOfMinute(t.complete_through), toDateTime(3600, 'UTC')) - INTERVAL 1 HOUR FROM v_complete_through AS t), toDateTime(0, 'UTC')) AS hour_ago
SELECT
    b.corp_id AS corp_id, b.business_date AS business_date, b.level AS level, b.id AS id, n.name AS name,
    b.adds AS adds, b.net_adds AS net_adds, q.qualified_adds AS qualified_adds, q.qualified_final AS qualified_final,
    toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC)) AS rank,
    count() OVER (PARTITION BY b.corp_id, b.business_date, b.level, b.adds) > 1 AS is_tied,
    toUInt32(row_number() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC, f.reached_at ASC, b.id ASC)) AS place,
    f.reached_at AS reached_at,
    toUInt64(b.adds - h.adds) AS adds_hour_ago,
    toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds - h.adds DESC)) AS rank_hour_ago,
    toUInt32(s.staff) AS staff_active, t.target AS target,
    b.is_closed AS is_closed,
    if(b.is_closed, toInt64(b.adds) - toInt64(b.closed_adds), 0) AS adjusted_adds,
    if(b.is_closed, toInt64(q.qualified_final) - toInt64(b.closed_qualified), 0) AS adjusted_qualified_adds
FROM (
    SELECT
        corp_id, business_date, place.1 AS level, place.2 AS id,
        sum(c.adds) AS adds,
        toInt64(sum(c.adds)) - toInt64(sum(c.deletes_by_customer)) - toInt64(sum(c.deletes_by_staff)) AS net_adds,
        sum(c.closed_adds) AS closed_adds, sum(c.closed_qualified) AS closed_qualified, max(c.closed) AS is_closed
    FROM (
        SELECT
            corp_id, business_date, region_id, store_id, staff_id, adds, deletes_by_customer, deletes_by_staff,
            toUInt64(0) AS closed_adds, toUInt64(0) AS closed_qualified,
            (corp_id, business_date) IN (SELECT corp_id, business_date FROM v_closings) AS closed
        FROM v_counts_1d
        UNION ALL
        SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, adds, qualified_adds, 1
        FROM closed_rows FINAL
        WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
    ) AS c
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    WHERE place.2 != ''
    GROUP BY corp_id, business_date, level, id
) AS b
LEFT JOIN (
    SELECT
        corp_id, business_date, place.1 AS level, place.2 AS id,
        sum(v.qualified_adds) AS qualified_adds, sum(v.qualified_final) AS qualified_final
    FROM v_qualified_adds_1d AS v
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    GROUP BY corp_id, business_date, level, id
) AS q ON q.corp_id = b.corp_id AND q.business_date = b.business_date AND q.level = b.level AND q.id = b.id
LEFT JOIN (
    SELECT corp_id, business_date, place.1 AS level, place.2 AS id, sum(m.adds) AS adds
    FROM v_counts_1m AS m
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    WHERE window_start >= hour_ago
    GROUP BY corp_id, business_date, level, id
) AS h ON h.corp_id = b.corp_id AND h.business_date = b.business_date AND h.level = b.level AND h.id = b.id
LEFT JOIN (
    -- Versions of one fact have one time: the largest needs no `FINAL`.
    SELECT corp_id, business_date, place.1 AS level, place.2 AS id, max(a.occurred_at) AS reached_at
    FROM facts AS a
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    WHERE type = 'friend.added' AND channel_group != 'transfer' AND NOT is_duplicate
    GROUP BY corp_id, business_date, level, id
) AS f ON f.corp_id = b.corp_id AND f.business_date = b.business_date AND f.level = b.level AND f.id = b.id
LEFT JOIN (
    SELECT corp_id, place.1 AS level, place.2 AS id, argMax(place.3, (published_at, src_offset)) AS name
    FROM org_history
    ARRAY JOIN [('region', toString(region_id), region_name), ('store', toString(store_id), store_name), ('staff', staff_id, staff_name)] AS place
    WHERE NOT removed AND place.2 != ''
    GROUP BY corp_id, level, id
) AS n ON n.corp_id = b.corp_id AND n.level = b.level AND n.id = b.id
LEFT JOIN (
    SELECT corp_id, place.1 AS level, place.2 AS id, count() AS staff
    FROM (
        SELECT
            corp_id, staff_id,
            argMax((o.removed, o.active, toString(o.store_id), toString(o.region_id)), (o.published_at, o.src_offset)) AS newest
        FROM org_history AS o
        GROUP BY corp_id, staff_id
    )
    ARRAY JOIN [('region', newest.4), ('store', newest.3), ('staff', staff_id)] AS place
    WHERE NOT newest.1 AND newest.2
    GROUP BY corp_id, level, id
) AS s ON s.corp_id = b.corp_id AND s.level = b.level AND s.id = b.id
LEFT JOIN (
    SELECT corp_id, business_date, level, id, argMax(g.target, (g.published_at, g.src_offset)) AS target
    FROM targets_history AS g
    WHERE metric = 'adds'
    GROUP BY corp_id, business_date, level, id
    HAVING NOT argMax(g.removed, (g.published_at, g.src_offset))
) AS t ON t.corp_id = b.corp_id AND t.business_date = b.business_date AND t.level = b.level AND t.id = b.id
