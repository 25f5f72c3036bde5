-- The leaderboard from the tables that it comes from, live to the second in all that it shows: rejected, for planning ten
-- tables and three joins alone takes what the answer may take.
CREATE VIEW leaderboard_before
AS
WITH
    ifNull((SELECT greatest(toStartOfMinute(t.complete_through), toDateTime(3600, 'UTC')) - INTERVAL 1 HOUR FROM v_complete_through AS t), toDateTime(0, 'UTC')) AS hour_ago
SELECT
    b.corp_id AS corp_id, b.business_date AS business_date, b.level AS level, b.id AS id, n.name AS name,
    b.adds AS adds, b.net_adds AS net_adds, b.qualified AS qualified_adds, b.final AS qualified_final,
    toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC)) AS rank,
    count() OVER (PARTITION BY b.corp_id, b.business_date, b.level, b.adds) > 1 AS is_tied,
    toUInt32(row_number() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC, b.reached_at ASC, b.id ASC)) AS place,
    b.reached_at AS reached_at,
    -- Within a flush the rows by minute may be ahead of those by day.
    toUInt64(greatest(0, b.adds - b.last_hour)) AS adds_hour_ago,
    -- Who shared the last rank with everybody, with no add, has neither risen nor fallen.
    if(adds_hour_ago > 0, toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds - b.last_hour DESC)), 0) AS rank_hour_ago,
    -- Of a day that no refresh has noted yet, as of now.
    toUInt32(arraySum(c -> if(c.at < least(if(d.ends_at > toDateTime64(0, 3, 'UTC'), d.ends_at, now64(3)), now64(3)), c.change, 0), n.changes)) AS staff_active,
    t.target AS target, b.is_closed AS is_closed,
    if(b.is_closed, toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.closed_adds DESC)), 0) AS closed_rank,
    if(b.is_closed, toInt64(b.adds) - toInt64(b.closed_adds), 0) AS adjusted_adds,
    if(b.is_closed, toInt64(b.final) - toInt64(b.closed_qualified), 0) AS adjusted_qualified_adds
-- One union of tables and not a join of a view for each: planning those took longer than answering them.
FROM (
    SELECT
        corp_id, business_date, place.1 AS level, place.2 AS id,
        sum(c.events) AS events, sum(c.adds) AS adds, sum(c.net_adds) AS net_adds, max(c.last_add_at) AS reached_at,
        sum(c.last_hour) AS last_hour, sum(c.qualified) AS qualified, sum(c.final) AS final,
        sum(c.closed_adds) AS closed_adds, sum(c.closed_qualified) AS closed_qualified,
        (corp_id, business_date) IN (SELECT corp_id, business_date FROM closings) AS is_closed
    FROM (
        SELECT
            corp_id, business_date, region_id, store_id, staff_id, toUInt64(events) AS events, adds,
            toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff) AS net_adds, last_add_at,
            toUInt64(0) AS last_hour, toUInt64(0) AS qualified, toUInt64(0) AS final,
            toUInt64(0) AS closed_adds, toUInt64(0) AS closed_qualified
        FROM counts_1d_board_registers FINAL
        WHERE channel = ''
        SETTINGS do_not_merge_across_partitions_select_final = 1
        UNION ALL
        SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, toDateTime64(0, 3, 'UTC'), sum(r.adds), 0, 0, 0, 0
        FROM counts_1m_registers AS r FINAL
        -- Most rows have no add, and grouping is what takes the time.
        WHERE window_start >= hour_ago AND r.adds > 0
        GROUP BY corp_id, business_date, region_id, store_id, staff_id
        SETTINGS do_not_merge_across_partitions_select_final = 1
        UNION ALL
        SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, toDateTime64(0, 3, 'UTC'), 0, qualified_adds, qualified_final, 0, 0
        FROM cohort_rows FINAL
        WHERE adds > 0
        SETTINGS do_not_merge_across_partitions_select_final = 1
        UNION ALL
        -- Of a closed day also who has nothing left of it.
        SELECT corp_id, business_date, region_id, store_id, staff_id, 1, 0, 0, toDateTime64(0, 3, 'UTC'), 0, 0, 0, adds, qualified_adds
        FROM closed_rows FINAL
        WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
        SETTINGS do_not_merge_across_partitions_select_final = 1
    ) AS c
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    WHERE place.2 != ''
    GROUP BY corp_id, business_date, level, id
    HAVING events > 0
) AS b
LEFT JOIN dim_headcount AS n ON n.corp_id = b.corp_id AND n.level = b.level AND n.id = b.id
LEFT JOIN (SELECT corp_id, business_date, ends_at FROM business_days FINAL) AS d ON d.corp_id = b.corp_id AND d.business_date = b.business_date
LEFT JOIN (
    SELECT corp_id, business_date, level, id, target FROM dim_target WHERE metric = 'adds'
) AS t ON t.corp_id = b.corp_id AND t.business_date = b.business_date AND t.level = b.level AND t.id = b.id
