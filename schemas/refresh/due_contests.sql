-- How many contests are to be closed: cheaply told, for the view reads facts.
SELECT count()
FROM (
    SELECT corp_id, contest_id, argMax((c.removed, c.ends_at), (c.published_at, c.src_offset)) AS row
    FROM contests_history AS c
    GROUP BY corp_id, contest_id
    HAVING NOT row.1 AND row.2 <= fromUnixTimestamp64Milli(toInt64({{due_ms}}), 'UTC')
        AND (corp_id, contest_id) NOT IN (SELECT corp_id, contest_id FROM closed_contest_rows)
);
