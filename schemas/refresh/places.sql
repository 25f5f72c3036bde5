-- Names, heads and targets of the picked days, and as they were known at closing, written where they differ: of every place,
-- or of these alone.
INSERT INTO place_rows (
    corp_id, business_date, level, id, name, staff_active, target, closed_staff_active, closed_target, version)
WITH
    picked AS (
        SELECT corp_id, business_date, fromUnixTimestamp64Milli(ends_ms, 'UTC') AS ends_at
        FROM values('corp_id String, business_date Date, ends_ms Int64', {{days}})
    ),
    these AS (SELECT corp_id, level, id FROM values('corp_id String, level String, id String', {{these}})),
    computed AS (
        SELECT
            corp_id, business_date, level, id,
            max(p.name) AS name, toUInt32(greatest(0, sum(p.heads))) AS staff_active, sum(p.target) AS target,
            toUInt32(sum(p.closed_heads)) AS closed_staff_active, sum(p.closed_target) AS closed_target
        FROM (
            SELECT
                d.corp_id AS corp_id, d.business_date AS business_date, toString(h.level) AS level, h.id AS id, h.name AS name,
                toInt64(arraySum(c -> if(c.at < least(d.ends_at, now64(3)), c.change, 0), h.changes)) AS heads, toUInt64(0) AS target,
                toUInt64(0) AS closed_heads, toUInt64(0) AS closed_target
            FROM picked AS d
            INNER JOIN (
                SELECT corp_id, level, id, name, changes
                FROM dim_headcount
                WHERE corp_id IN (SELECT corp_id FROM picked) AND ({{every}} OR (corp_id, level, id) IN (these))
            ) AS h ON h.corp_id = d.corp_id
            UNION ALL
            SELECT corp_id, business_date, toString(level), id, '', 0, t.target, 0, 0
            FROM dim_target AS t
            WHERE metric = 'adds' AND (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
                AND ({{every}} OR (corp_id, level, id) IN (these))
            UNION ALL
            SELECT corp_id, business_date, toString(level), id, '', 0, 0, r.staff_active, r.targets['adds']
            FROM closed_place_rows AS r FINAL
            WHERE (corp_id, business_date, run) IN (
                SELECT corp_id, business_date, run FROM v_closings
                WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked))
                AND ({{every}} OR (corp_id, level, id) IN (these))
            UNION ALL
            -- What has none of it any more is empty from now on.
            SELECT corp_id, business_date, toString(level), id, '', 0, 0, 0, 0
            FROM place_rows FINAL
            WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
                AND ({{every}} OR (corp_id, level, id) IN (these))
        ) AS p
        GROUP BY corp_id, business_date, level, id
    )
SELECT corp_id, business_date, level, id, name, staff_active, target, closed_staff_active, closed_target, {{version}}
FROM computed
WHERE (corp_id, business_date, level, id, name, staff_active, target, closed_staff_active, closed_target) NOT IN (
    SELECT corp_id, business_date, toString(level), id, name, staff_active, target, closed_staff_active, closed_target
    FROM place_rows FINAL
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
        AND ({{every}} OR (corp_id, level, id) IN (these))
);
