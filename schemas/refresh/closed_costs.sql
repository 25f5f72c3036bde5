-- Costs of the picked days as they are known when these are closed, and what their campaigns brought: of a day that ended
-- three days before all adds are older than 24 hours. Rows come before the closing that points to them.
INSERT INTO closed_cost_rows (corp_id, business_date, run, channel, campaign_id, cost_fen, adds, retained_24h)
WITH picked AS (SELECT corp_id, business_date FROM values('corp_id String, business_date Date, over Bool', {{days}}))
SELECT
    corp_id, business_date, {{run}}, channel, campaign_id,
    sum(c.cost) AS cost_fen, sum(c.added) AS adds, sum(c.retained) AS retained_24h
FROM (
    SELECT
        corp_id, business_date, toString(channel) AS channel, campaign_id, cost_fen AS cost, toUInt64(1) AS costs,
        toUInt64(0) AS added, toUInt64(0) AS retained
    FROM v_costs_1d
    WHERE (corp_id, business_date) IN (picked)
    UNION ALL
    SELECT
        corp_id, business_date, toString(channel), toString(campaign_id), 0, 0,
        1, toUInt64(ifNull(lost_at >= began_at + toIntervalDay(1), true))
    FROM v_episodes
    WHERE begun_by = 'add' AND (corp_id, business_date) IN (picked)
) AS c
GROUP BY corp_id, business_date, channel, campaign_id
HAVING sum(c.costs) > 0;
