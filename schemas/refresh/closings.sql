-- The figures of the picked days as they stand when these are closed. Rows come before the closing that points to them.
INSERT INTO closed_rows (
    corp_id, business_date, run, region_id, store_id, staff_id, channel, adds, net_adds, qualified_adds, figures, last_add_at)
WITH picked AS (SELECT corp_id, business_date FROM values('corp_id String, business_date Date, over Bool', {{days}}))
SELECT
    corp_id, business_date, {{run}}, region_id, store_id, staff_id, channel,
    toUInt64(sumIf(f.value, f.figure = 'adds')) AS adds,
    adds - sumIf(f.value, f.figure IN ('deletes_by_customer', 'deletes_by_staff')) AS net_adds,
    toUInt64(sumIf(f.value, f.figure = 'qualified_final')) AS qualified_adds,
    CAST((groupArray(toString(f.figure)), groupArray(f.value)), 'Map(LowCardinality(String), Int64)') AS figures,
    max(b.last_add_at) AS last_add_at
FROM v_figures_1d AS f
LEFT JOIN (
    SELECT corp_id, business_date, region_id, store_id, staff_id, last_add_at
    FROM v_counts_1d_staff
    WHERE (corp_id, business_date) IN (picked)
) AS b USING (corp_id, business_date, region_id, store_id, staff_id)
WHERE (corp_id, business_date) IN (picked)
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel;
