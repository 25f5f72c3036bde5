-- Days of which episodes or requests changed since the last run.
SELECT DISTINCT corp_id, business_date
FROM (
    SELECT corp_id, business_date FROM episode_rows WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC')
    UNION ALL
    SELECT corp_id, business_date FROM request_rows WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC')
);
