-- Closed days: rewards were paid on them, so what they said then stays readable beside what they say now (DWS).

-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE closed_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    run UInt64 COMMENT '结账的刷新编号 / number of the run that closed the day',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    adds UInt64 COMMENT '结账时的加粉数 / friends added, as of closing',
    net_adds Int64 COMMENT '结账时的净增 / net adds, as of closing',
    qualified_adds UInt64 COMMENT '结账时的合格加粉（已定稿） / qualified adds, as of closing; final by then'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (corp_id, business_date, run, region_id, store_id, staff_id, channel)
COMMENT '结账时的数值（物理表，请读视图 v_closed_1d） / figures as of closing: physical table, read v_closed_1d';

-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE closings (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    run UInt64 COMMENT '结账的刷新编号；同一天取最小者 / number of the run that closed the day; of several the smallest holds, for ever',
    complete_through DateTime64(3, 'UTC') COMMENT '结账时数据完整至 / every record that the brokers held by then is in the figures',
    closed_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '结账时间 / when it was closed'
)
ENGINE = ReplacingMergeTree
ORDER BY (corp_id, business_date, run)
COMMENT '结账：业务日结束三天后 / closings: three days after the end of the business day';

CREATE VIEW v_closed_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    closed_adds UInt64 COMMENT '结账时的加粉数 / friends added, as of closing',
    closed_net_adds Int64 COMMENT '结账时的净增 / net adds, as of closing',
    closed_qualified_adds UInt64 COMMENT '结账时的合格加粉 / qualified adds, as of closing',
    adjusted_adds Int64 COMMENT '结账后加粉的调整 / adds now minus as of closing',
    adjusted_net_adds Int64 COMMENT '结账后净增的调整 / net adds now minus as of closing',
    adjusted_qualified_adds Int64 COMMENT '结账后合格加粉的调整 / qualified adds now minus as of closing'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id, channel,
    sum(r.closed_adds) AS closed_adds, sum(r.closed_net) AS closed_net_adds, sum(r.closed_qualified) AS closed_qualified_adds,
    sum(r.adds_now) - toInt64(closed_adds) AS adjusted_adds,
    sum(r.net_now) - closed_net_adds AS adjusted_net_adds,
    sum(r.qualified_now) - toInt64(closed_qualified_adds) AS adjusted_qualified_adds
FROM (
    SELECT
        corp_id, business_date, region_id, store_id, staff_id, channel,
        adds AS closed_adds, net_adds AS closed_net, qualified_adds AS closed_qualified,
        toInt64(0) AS adds_now, toInt64(0) AS net_now, toInt64(0) AS qualified_now
    FROM closed_rows FINAL
    WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, min(c.run) FROM closings AS c GROUP BY corp_id, business_date)
    UNION ALL
    SELECT
        corp_id, business_date, region_id, store_id, staff_id, channel, 0, 0, 0,
        toInt64(adds), toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff), 0
    FROM v_counts_1d
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM closings)
    UNION ALL
    SELECT corp_id, business_date, region_id, store_id, staff_id, channel, 0, 0, 0, 0, 0, toInt64(qualified_final)
    FROM v_cohorts_1d
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM closings)
) AS r
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
HAVING closed_adds + abs(closed_net_adds) + closed_qualified_adds + abs(adjusted_adds) + abs(adjusted_net_adds) + abs(adjusted_qualified_adds) > 0
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 已结账业务日：结账时的数值，与其后的调整 / closed days: figures as of closing, and adjustments since';
