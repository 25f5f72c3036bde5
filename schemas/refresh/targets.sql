-- Days of which targets changed since the last run.
SELECT DISTINCT corp_id, business_date
FROM target_log
WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC');
