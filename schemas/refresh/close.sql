-- Of two runs that close a day the first holds.
INSERT INTO closings (corp_id, business_date, run, complete_through)
SELECT corp_id, business_date, {{run}}, fromUnixTimestamp64Milli(toInt64({{horizon_ms}}), 'UTC')
FROM values('corp_id String, business_date Date, over Bool', {{days}});
