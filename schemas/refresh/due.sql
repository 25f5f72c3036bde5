-- Days that may be due to be closed: those that facts of any type came in for since the last run, and of the days that
-- time may have brought there (`dates`) those with any count.
SELECT DISTINCT corp_id, business_date
FROM (
    SELECT corp_id, business_date FROM facts WHERE ingested_at >= fromUnixTimestamp64Milli(toInt64({{since_ms}}), 'UTC')
    UNION ALL
    SELECT corp_id, business_date FROM counts_1d_board_registers WHERE business_date IN ({{dates}})
);
