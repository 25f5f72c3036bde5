-- Ten questions and their SQL. `tests/questions.rs` asks each of a small week and compares the answer.
-- Rates: add up numerators and denominators first, then divide. Put your own corp and days in the place of these.

-- 1. Which stores gained most qualified adds per head last week, against target?
SELECT
    q.store_id AS store_id, q.qualified AS qualified, h.staff AS staff, round(q.qualified / greatest(h.staff, 1), 2) AS per_head, t.target AS target
FROM (
    SELECT store_id, sum(v.qualified_adds) AS qualified
    FROM v_qualified_adds_1d AS v
    WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
    GROUP BY store_id
) AS q
LEFT JOIN (
    SELECT id AS store_id, argMax(n.staff_active, n.business_date) AS staff
    FROM v_headcount_1d AS n
    WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16' AND level = 'store'
    GROUP BY id
) AS h ON h.store_id = q.store_id
LEFT JOIN (
    SELECT id AS store_id, sum(g.target) AS target
    FROM v_targets AS g
    WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16' AND level = 'store' AND metric = 'qualified_adds'
    GROUP BY id
) AS t ON t.store_id = q.store_id
ORDER BY per_head DESC, store_id;

-- 2. Which channels bring friends that stay seven days?
SELECT channel, sum(v.retained_7d) AS retained, sum(v.matured_7d) AS matured, round(retained / matured, 3) AS rate
FROM v_cohorts_1d AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
GROUP BY channel
HAVING matured > 0
ORDER BY rate DESC, channel;

-- 3. Who deletes customers soon after adding them (a signal of gaming)?
SELECT staff_id, sum(v.purged_24h) AS purged, sum(v.matured_24h) AS matured
FROM v_cohorts_1d AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
GROUP BY staff_id
HAVING purged > 0
ORDER BY purged DESC, staff_id;

-- 4. How many of our requests pass within three days, and how long does it take?
SELECT
    sum(v.passed_72h) AS passed, sum(v.matured_72h) AS requests, sum(v.requests_out) - requests AS too_young,
    round(sum(v.accept_seconds) / greatest(passed, 1)) AS seconds
FROM v_cohorts_1d AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16';

-- 5. Which broadcast cost us friends?
SELECT task_id, sum(v.audience) AS audience, sum(v.deleted_24h) AS deleted, max(v.is_provisional) AS provisional
FROM v_broadcasts AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
GROUP BY task_id
ORDER BY deleted DESC, task_id;

-- 6. How fast do stores answer new friends on the day of the add?
SELECT
    store_id, sum(v.replied_same_day) AS replied, sum(v.opened_same_day) AS opened,
    round(sum(v.reply_seconds) / greatest(replied, 1)) AS seconds, sum(v.replied_1m) + sum(v.replied_5m) AS within_5m
FROM v_cohorts_1d AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
GROUP BY store_id
HAVING opened > 0
ORDER BY store_id;

-- 7. What does an add of each channel turn over in seven days?
SELECT channel, sum(v.gmv_7d_fen) AS gmv_fen, sum(v.converted_7d) AS buyers, sum(v.matured_7d) AS matured, round(gmv_fen / matured) AS gmv_fen_per_add
FROM v_cohorts_1d AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
GROUP BY channel
HAVING matured > 0
ORDER BY gmv_fen_per_add DESC, channel;

-- 8. What changed after days were closed, and for whom?
SELECT business_date, staff_id, sum(v.closed_adds) AS paid, sum(v.adjusted_adds) AS adjusted, sum(v.adjusted_qualified_adds) AS adjusted_qualified
FROM v_closed_1d AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
GROUP BY business_date, staff_id
HAVING adjusted != 0 OR adjusted_qualified != 0
ORDER BY business_date, staff_id;

-- 9. Who handed customers on, and to whom?
SELECT staff_id, handed_to, count() AS customers
FROM v_episodes
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16' AND ended_by = 'transfer'
GROUP BY staff_id, handed_to
ORDER BY staff_id, handed_to;

-- 10. How many customers did we win back?
SELECT business_date, sum(v.adds) AS adds, sum(v.re_adds) AS back_to_the_same_staff, sum(v.adds) - sum(v.new_adds) AS known_to_the_corp
FROM v_cohorts_1d AS v
WHERE corp_id = 'c' AND business_date BETWEEN '2025-03-10' AND '2025-03-16'
GROUP BY business_date
HAVING adds > 0
ORDER BY business_date;
