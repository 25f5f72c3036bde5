-- Of the picked days those of which a record was published before they were due to be closed.
WITH picked AS (
    SELECT corp_id, business_date, fromUnixTimestamp64Milli(ends_ms, 'UTC') AS ends_at
    FROM values('corp_id String, business_date Date, ends_ms Int64', {{days}})
)
SELECT DISTINCT toString(corp_id) AS corp_id, business_date
FROM facts AS f
INNER JOIN picked AS d ON d.corp_id = toString(f.corp_id) AND d.business_date = f.business_date
WHERE (f.corp_id, f.business_date) IN (SELECT corp_id, business_date FROM picked)
    AND recorded_at <= ends_at + INTERVAL {{settling_ms}} MILLISECOND;
