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
    max(f.last_add_at) AS last_add_at
FROM (
    SELECT
        corp_id, business_date, region_id, store_id, staff_id, channel, figure, value,
        max(v.last_add_at) OVER (PARTITION BY corp_id, business_date, region_id, store_id, staff_id) AS last_add_at
    FROM (
        SELECT
            corp_id, business_date, toString(region_id) AS region_id, toString(store_id) AS store_id, staff_id,
            toString(channel) AS channel, toString(figure) AS figure, value, toDateTime64(0, 3, 'UTC') AS last_add_at
        FROM v_figures_1d
        WHERE (corp_id, business_date) IN (picked)
        UNION ALL
        SELECT corp_id, business_date, toString(region_id), toString(store_id), staff_id, '', '', 0, b.last_add_at
        FROM v_counts_1d_staff AS b
        WHERE (corp_id, business_date) IN (picked)
    ) AS v
) AS f
WHERE figure != ''
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel;
