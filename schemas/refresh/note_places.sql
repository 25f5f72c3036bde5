-- That the rows of all days have these places as they were when the run looked; what has changed since is left to the next.
INSERT INTO noted_places (corp_id, level, id, name, steps)
SELECT p.corp_id, p.level, p.id, n.name, n.steps
FROM values('corp_id String, level String, id String, digest UInt64', {{places}}) AS p
LEFT JOIN (SELECT toString(corp_id) AS corp_id, level, id, name, steps, cityHash64(name, steps) AS digest FROM ({{heads}})) AS n
    ON n.corp_id = p.corp_id AND n.level = p.level AND n.id = p.id
WHERE n.digest = p.digest;
