-- Days whose names, heads or targets may have changed since the last run: a row of the organisation may concern any day.
SELECT DISTINCT corp_id, business_date
FROM (
    SELECT corp_id, business_date FROM target_log WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC')
    UNION ALL
    SELECT corp_id, business_date FROM business_days WHERE corp_id IN (
        SELECT corp_id FROM org_log WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC'))
);
