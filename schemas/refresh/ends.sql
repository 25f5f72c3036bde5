-- When the picked days end, where that is not known yet or was of another zone.
INSERT INTO business_days (corp_id, business_date, ends_at)
WITH picked AS (
    SELECT corp_id, business_date, fromUnixTimestamp64Milli(ends_ms, 'UTC') AS ends_at
    FROM values('corp_id String, business_date Date, ends_ms Int64', {{days}})
)
SELECT corp_id, business_date, ends_at
FROM picked
WHERE (corp_id, business_date, ends_at) NOT IN (
    SELECT corp_id, business_date, ends_at FROM business_days FINAL
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked));
