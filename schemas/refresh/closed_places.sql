-- Heads and targets of the picked days as they are known when these are closed. Rows come before the closing that points to
-- them.
INSERT INTO closed_place_rows (corp_id, business_date, run, level, id, staff_active, targets)
WITH picked AS (
    SELECT corp_id, business_date, fromUnixTimestamp64Milli(ends_ms, 'UTC') AS ends_at
    FROM values('corp_id String, business_date Date, ends_ms Int64', {{ends}})
)
SELECT
    corp_id, business_date, {{run}}, level, id, toUInt32(greatest(0, sum(p.heads))) AS staff_active,
    CAST((groupArrayArray(p.metrics), groupArrayArray(p.goals)), 'Map(LowCardinality(String), UInt64)') AS targets
FROM (
    SELECT
        d.corp_id AS corp_id, d.business_date AS business_date, toString(h.level) AS level, h.id AS id,
        toInt64(arraySum(c -> if(c.at < d.ends_at, c.change, 0), h.changes)) AS heads,
        CAST([], 'Array(String)') AS metrics, CAST([], 'Array(UInt64)') AS goals
    FROM picked AS d
    INNER JOIN (
        SELECT corp_id, level, id, changes FROM dim_headcount WHERE corp_id IN (SELECT corp_id FROM picked)
    ) AS h ON h.corp_id = d.corp_id
    UNION ALL
    SELECT corp_id, business_date, toString(level), id, 0, [toString(metric)], [t.target]
    FROM dim_target AS t
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
) AS p
GROUP BY corp_id, business_date, level, id
HAVING staff_active > 0 OR notEmpty(targets);
