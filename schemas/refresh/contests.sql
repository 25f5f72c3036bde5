-- Results of contests that ended three days before the horizon, as they stand now. Of two runs that close one the first holds.
INSERT INTO closed_contest_rows (
    corp_id, contest_id, run, id, name, level, metric, basis, starts_at, ends_at, value, staff_active, rank)
SELECT corp_id, contest_id, {{run}}, id, name, level, metric, basis, starts_at, ends_at, value, staff_active, rank
FROM v_contests
WHERE state = 'ended' AND ends_at <= fromUnixTimestamp64Milli(toInt64({{due_ms}}), 'UTC');
