-- Places of which the name or the heads are not those that the rows of all days have, with the first instant from which heads
-- differ, or 0 for another name, which every day shows. `digest` tells what they are now, 0 where there is nothing any more.
SELECT
    corp_id, level, id,
    if(max(p.name) != max(p.noted_name), 0, toUnixTimestamp64Milli(minIf(p.at, p.difference != 0))) AS from_ms,
    max(p.digest) AS digest
FROM (
    SELECT
        corp_id, level, id, at, max(s.name) AS name, max(s.noted_name) AS noted_name, max(s.digest) AS digest,
        sum(s.change) AS difference
    FROM (
        SELECT
            toString(corp_id) AS corp_id, level, id, step.1 AS at, toInt64(step.2) AS change, name, '' AS noted_name,
            cityHash64(name, steps) AS digest
        FROM ({{heads}})
        LEFT ARRAY JOIN steps AS step
        UNION ALL
        SELECT toString(corp_id), toString(level), id, step.1, -toInt64(step.2), '', name, 0
        FROM noted_places FINAL
        LEFT ARRAY JOIN steps AS step
        -- Where all is computed anew, nothing was noted.
        WHERE {{since_ms}} > 0
    ) AS s
    GROUP BY corp_id, level, id, at
) AS p
GROUP BY corp_id, level, id
HAVING max(p.name) != max(p.noted_name) OR countIf(p.difference != 0) > 0
ORDER BY corp_id, from_ms, level, id;
