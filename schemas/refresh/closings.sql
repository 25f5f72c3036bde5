-- The figures of the picked days as they stand when these are closed. Rows come before the closing that points to them.
INSERT INTO closed_rows (corp_id, business_date, run, region_id, store_id, staff_id, channel, adds, net_adds, qualified_adds)
WITH picked AS (SELECT corp_id, business_date FROM values('corp_id String, business_date Date, over Bool', {{days}}))
SELECT corp_id, business_date, {{run}}, region_id, store_id, staff_id, channel, sum(r.adds), sum(r.net), sum(r.qualified)
FROM (
    SELECT
        corp_id, business_date, region_id, store_id, staff_id, channel, adds,
        toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff) AS net, toUInt64(0) AS qualified
    FROM v_counts_1d
    WHERE (corp_id, business_date) IN (picked)
    UNION ALL
    SELECT corp_id, business_date, region_id, store_id, staff_id, channel, 0, 0, qualified_final
    FROM v_cohorts_1d
    WHERE (corp_id, business_date) IN (picked)
) AS r
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
HAVING sum(r.adds) + abs(sum(r.net)) + sum(r.qualified) > 0;
