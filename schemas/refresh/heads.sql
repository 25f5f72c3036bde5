-- Places as the organisation is known now: the name, and how the number of active members changes, one step for each instant.
SELECT corp_id, level, id, any(c.name) AS name, arraySort(groupArrayIf((c.at, c.change), c.change != 0)) AS steps
FROM (
    SELECT corp_id, toString(level) AS level, id, any(h.name) AS name, step.1 AS at, toInt32(sum(step.2)) AS change
    FROM dim_headcount AS h
    LEFT ARRAY JOIN changes AS step
    GROUP BY corp_id, level, id, at
) AS c
GROUP BY corp_id, level, id
