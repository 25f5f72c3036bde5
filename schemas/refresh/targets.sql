-- Days with a target that came in since the last run and is not the one that the rows of places show.
WITH came AS (
    SELECT DISTINCT corp_id, business_date
    FROM target_log
    WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC')
)
SELECT DISTINCT corp_id, business_date
FROM (
    SELECT toString(corp_id) AS corp_id, business_date, toString(level) AS level, id, toInt64(t.target) AS difference
    FROM dim_target AS t
    WHERE metric = 'adds' AND (corp_id, business_date) IN (came)
    UNION ALL
    SELECT toString(corp_id), business_date, toString(level), id, -toInt64(r.target)
    FROM place_rows AS r FINAL
    WHERE (corp_id, business_date) IN (came)
) AS p
GROUP BY corp_id, business_date, level, id
HAVING sum(difference) != 0;
