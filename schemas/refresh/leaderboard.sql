-- What the leaderboards of the picked days show beside their counts, written where it differs.
INSERT INTO leaderboard_rows (
    corp_id, business_date, region_id, store_id, staff_id, adds_hour_ago, is_past, qualified_adds, qualified_final, is_closed,
    closed_adds, closed_qualified_adds, closed_reached_at, version
)
WITH
    fromUnixTimestamp64Milli(toInt64({{horizon_ms}}), 'UTC') AS horizon,
    toStartOfMinute(greatest(horizon, toDateTime64(3600, 3, 'UTC'))) - INTERVAL 1 HOUR AS hour_ago,
    picked AS (
        SELECT corp_id, business_date, fromUnixTimestamp64Milli(ends_ms, 'UTC') <= hour_ago AS is_past
        FROM values('corp_id String, business_date Date, ends_ms Int64', {{days}})
    ),
    computed AS (
        SELECT
            corp_id, business_date, region_id, store_id, staff_id,
            (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked WHERE is_past) AS is_past,
            -- Within a flush the rows by minute may be ahead of those by day.
            if(is_past, 0, toUInt64(greatest(0, toInt64(sum(c.adds)) - toInt64(sum(c.last_hour))))) AS adds_hour_ago,
            sum(c.qualified) AS qualified_adds, sum(c.final) AS qualified_final,
            (corp_id, business_date) IN (SELECT corp_id, business_date FROM closings) AS is_closed,
            sum(c.closed_adds) AS closed_adds, sum(c.closed_qualified) AS closed_qualified_adds,
            max(c.last_add_at) AS closed_reached_at
        FROM (
            SELECT
                corp_id, business_date, region_id, store_id, staff_id, r.adds AS adds, toUInt64(0) AS last_hour,
                toUInt64(0) AS qualified, toUInt64(0) AS final, toUInt64(0) AS closed_adds, toUInt64(0) AS closed_qualified,
                toDateTime64(0, 3, 'UTC') AS last_add_at
            FROM counts_1d_board_registers AS r FINAL
            WHERE channel = '' AND (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, 0, r.adds, 0, 0, 0, 0, toDateTime64(0, 3, 'UTC')
            FROM counts_1m_registers AS r FINAL
            -- The last days alone have minutes within the last hour: conditions on days leave all others unread.
            WHERE window_start >= hour_ago AND r.adds > 0 AND business_date >= toDate(hour_ago) - 1
                AND (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, r.qualified_adds, r.qualified_final, 0, 0, toDateTime64(0, 3, 'UTC')
            FROM cohort_rows AS r FINAL
            WHERE r.adds > 0 AND (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, 0, r.adds, r.qualified_adds, r.last_add_at
            FROM closed_rows AS r FINAL
            WHERE (corp_id, business_date, run) IN (
                SELECT corp_id, business_date, run FROM v_closings
                WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked))
            UNION ALL
            -- What has none of it any more is 0 from now on.
            SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, 0, 0, 0, toDateTime64(0, 3, 'UTC')
            FROM leaderboard_rows FINAL
            WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
        ) AS c
        GROUP BY corp_id, business_date, region_id, store_id, staff_id
    )
SELECT
    corp_id, business_date, region_id, store_id, staff_id, adds_hour_ago, is_past, qualified_adds, qualified_final, is_closed,
    closed_adds, closed_qualified_adds, closed_reached_at, {{version}}
FROM computed
WHERE (
        corp_id, business_date, region_id, store_id, staff_id, adds_hour_ago, is_past, qualified_adds, qualified_final, is_closed,
        closed_adds, closed_qualified_adds, closed_reached_at
    ) NOT IN (
        SELECT
            corp_id, business_date, region_id, store_id, staff_id, adds_hour_ago, is_past, qualified_adds, qualified_final, is_closed,
            closed_adds, closed_qualified_adds, closed_reached_at
        FROM leaderboard_rows FINAL
        WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
    );
