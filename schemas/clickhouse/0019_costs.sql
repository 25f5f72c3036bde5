-- What channels cost by day and campaign (DIM; from the CSV of the configuration), and what an add costs (ADS).

-- sharding: cityHash64(corp_id)
CREATE TABLE cost_log (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day in the zone of the corp',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    campaign_id String COMMENT '活动；无则为空 / campaign; empty if none',
    cost_fen UInt64 COMMENT '花费（分） / cost, in 1/100 of the currency of the corp',
    removed Bool COMMENT '被删除 / the row was removed',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间（文件的修改时间） / when it was published: when the file was last written',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the record; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the record; of a file the number of the line',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间 / when the row was written'
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (corp_id, business_date, channel, campaign_id, published_at, src_partition, src_offset)
COMMENT '花费变更（物理表）；保留：永久 / changes of costs: physical table; kept: for ever';

CREATE VIEW v_costs_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day in the zone of the corp',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    campaign_id String COMMENT '活动；无则为空 / campaign; empty if none',
    cost_fen UInt64 COMMENT '花费（分） / cost, in 1/100 of the currency of the corp'
)
AS
SELECT
    corp_id, business_date, channel, campaign_id,
    argMax(c.cost_fen, (c.published_at, c.src_partition, c.src_offset)) AS cost_fen
FROM cost_log AS c FINAL
GROUP BY corp_id, business_date, channel, campaign_id
HAVING NOT argMax(c.removed, (c.published_at, c.src_partition, c.src_offset))
COMMENT 'DWS 花费：日×渠道×活动，取最新发布 / costs by day, channel and campaign, as published last';

-- Costs are given by day, and members mature one after another: what those cost who have not yet is not known. So a day of a
-- channel counts in a figure as a whole, once it is over in every zone and all who may have been added on it have matured.
-- Then costs without any add count too.
-- At closing, three days after the day, everybody is 24 hours old and nobody seven days.
CREATE VIEW v_cohort_costs_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '花费与加粉的业务日期 / business day of the costs and of the adds',
    channel LowCardinality(String) COMMENT '渠道键；只含给出花费（现在或结账时）的日与渠道 / key of the channel; days and channels alone of which costs are given, now or as of closing',
    figure LowCardinality(String) COMMENT '指标名：每加粉成本、每留存加粉成本 / name of the figure: cost per add, cost per retained add',
    numerator UInt64 COMMENT '分子：花费（分），各活动合计；当日结束且全部成员满期后才计 / numerator: cost in 1/100 of the currency, over all campaigns, once the day is over and all of its members have matured',
    denominator UInt64 COMMENT '分母：加粉或留存数；同上 / denominator: adds, or those retained, likewise',
    matured UInt64 COMMENT '已满期成员 / members old enough to know',
    pending UInt64 COMMENT '未满期成员 / members that are not yet',
    closed_numerator UInt64 COMMENT '结账时的分子：当时的花费（分）；未结账、当时未给出花费（事后补发不算）、及结账时尚无成员满期的 7 天与 30 天为 0 / numerator as of closing: the cost as it was given then; 0 while the day is not closed, if none was given by then, whatever was published later, and of 7 d and 30 d, for which no member is old enough at closing',
    closed_denominator UInt64 COMMENT '结账时的分母；同上 / denominator as of closing, likewise'
)
AS
WITH
    ifNull((SELECT t.over_through FROM v_complete_through AS t), toDate(0)) AS over,
    costs > 0 AND part.3 = adds AND business_date + part.4 <= over AS counts,
    closed_costs > 0 AND part.4 <= 1 AS counted
SELECT
    corp_id, business_date, channel, part.1 AS figure,
    if(counts, cost_fen, 0) AS numerator, if(counts, part.2, 0) AS denominator,
    if(costs > 0, part.3, 0) AS matured, if(costs > 0, adds - part.3, 0) AS pending,
    if(counted, closed_cost_fen, 0) AS closed_numerator, if(counted, part.5, 0) AS closed_denominator
FROM (
    SELECT
        corp_id, business_date, channel, sum(d.cost_fen) AS cost_fen, sum(d.costs) AS costs, sum(d.adds) AS adds,
        sum(d.matured_24h) AS matured_24h, sum(d.retained_24h) AS retained_24h, sum(d.matured_7d) AS matured_7d,
        sum(d.retained_7d) AS retained_7d, sum(d.matured_30d) AS matured_30d, sum(d.retained_30d) AS retained_30d,
        sum(d.closed_cost_fen) AS closed_cost_fen, sum(d.closed_costs) AS closed_costs, sum(d.closed_adds) AS closed_adds,
        sum(d.closed_retained) AS closed_retained
    FROM (
        SELECT
            corp_id, business_date, channel, cost_fen, toUInt64(1) AS costs, toUInt64(0) AS adds, toUInt64(0) AS matured_24h,
            toUInt64(0) AS retained_24h, toUInt64(0) AS matured_7d, toUInt64(0) AS retained_7d, toUInt64(0) AS matured_30d,
            toUInt64(0) AS retained_30d, toUInt64(0) AS closed_cost_fen, toUInt64(0) AS closed_costs, toUInt64(0) AS closed_adds,
            toUInt64(0) AS closed_retained
        FROM v_costs_1d
        UNION ALL
        SELECT
            corp_id, business_date, channel, 0, 0, adds, matured_24h, retained_24h, matured_7d, retained_7d, matured_30d, retained_30d,
            0, 0, 0, 0
        FROM v_cohorts_1d
        UNION ALL
        SELECT corp_id, business_date, channel, 0, 0, 0, 0, 0, 0, 0, 0, 0, cost_fen, 1, 0, 0
        FROM closed_cost_rows FINAL
        WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
        UNION ALL
        SELECT corp_id, business_date, channel, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, adds, toUInt64(figures['retained_24h'])
        FROM closed_rows FINAL
        WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
        SETTINGS do_not_merge_across_partitions_select_final = 1
    ) AS d
    GROUP BY corp_id, business_date, channel
    HAVING costs + closed_costs > 0
)
ARRAY JOIN [
        ('cost_per_add', adds, adds, 0, closed_adds),
        ('cost_per_retained_add_24h', retained_24h, matured_24h, 1, closed_retained),
        ('cost_per_retained_add_7d', retained_7d, matured_7d, 7, 0),
        ('cost_per_retained_add_30d', retained_30d, matured_30d, 30, 0)
    ] AS part
COMMENT 'ADS 成本指标长表：一行一指标，先求和再相除；现在与结账时 / cost figures, one row for each: add up numerators and denominators, then divide; now and as of closing';

-- Adds stand under the campaign that they name, those that name none under the empty one. What campaigns without costs
-- brought is in no row here, but in those of the channel above.
CREATE VIEW v_campaign_costs_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '花费与加粉的业务日期 / business day of the costs and of the adds',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    campaign_id String COMMENT '活动；无则为空；只含给出花费（现在或结账时）的日、渠道与活动 / campaign, empty if none; days, channels and campaigns alone of which costs are given, now or as of closing',
    figure LowCardinality(String) COMMENT '指标名，同 v_cohort_costs_1d / name of the figure, as in v_cohort_costs_1d',
    numerator UInt64 COMMENT '分子：花费（分）；当日结束且全部成员满期后才计 / numerator: cost in 1/100 of the currency, once the day is over and all of its members have matured',
    denominator UInt64 COMMENT '分母：加粉或留存数；同上 / denominator: adds, or those retained, likewise',
    matured UInt64 COMMENT '已满期成员 / members old enough to know',
    pending UInt64 COMMENT '未满期成员 / members that are not yet',
    closed_numerator UInt64 COMMENT '结账时的分子，同 v_cohort_costs_1d / numerator as of closing, as in v_cohort_costs_1d',
    closed_denominator UInt64 COMMENT '结账时的分母；同上 / denominator as of closing, likewise'
)
AS
WITH
    ifNull((SELECT t.over_through FROM v_complete_through AS t), toDate(0)) AS over,
    ifNull((SELECT argMax(l.complete_through, l.run) FROM refresh_runs AS l), toDateTime64(0, 3, 'UTC')) AS horizon,
    costs > 0 AND part.3 = adds AND business_date + part.4 <= over AS counts,
    closed_costs > 0 AND part.4 <= 1 AS counted
SELECT
    corp_id, business_date, channel, campaign_id, part.1 AS figure,
    if(counts, cost_fen, 0) AS numerator, if(counts, part.2, 0) AS denominator,
    if(costs > 0, part.3, 0) AS matured, if(costs > 0, adds - part.3, 0) AS pending,
    if(counted, closed[1], 0) AS closed_numerator, if(counted, part.5, 0) AS closed_denominator
FROM (
    SELECT
        corp_id, business_date, channel, campaign_id, sum(d.cost_fen) AS cost_fen, sum(d.costs) AS costs, sum(d.adds) AS adds,
        sumForEach(d.old) AS old, sumForEach(d.retained) AS retained, sum(d.closed_costs) AS closed_costs, sumForEach(d.closed) AS closed
    FROM (
        SELECT
            corp_id, business_date, channel, campaign_id, cost_fen, toUInt64(1) AS costs, toUInt64(0) AS adds,
            CAST([0, 0, 0], 'Array(UInt64)') AS old, CAST([0, 0, 0], 'Array(UInt64)') AS retained,
            toUInt64(0) AS closed_costs, CAST([0, 0, 0], 'Array(UInt64)') AS closed
        FROM v_costs_1d
        UNION ALL
        SELECT
            corp_id, business_date, channel, toString(campaign_id), 0, 0, 1,
            arrayMap(days -> toUInt64(began_at + toIntervalDay(days) <= horizon), [1, 7, 30]) AS old,
            arrayMap((days, is_old) -> toUInt64(is_old AND ifNull(lost_at >= began_at + toIntervalDay(days), true)), [1, 7, 30], old),
            0, CAST([0, 0, 0], 'Array(UInt64)')
        FROM v_episodes
        WHERE begun_by = 'add'
        UNION ALL
        SELECT
            corp_id, business_date, channel, campaign_id, 0, 0, 0, CAST([0, 0, 0], 'Array(UInt64)'), CAST([0, 0, 0], 'Array(UInt64)'),
            1, [cost_fen, adds, retained_24h]
        FROM closed_cost_rows FINAL
        WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
        SETTINGS do_not_merge_across_partitions_select_final = 1
    ) AS d
    GROUP BY corp_id, business_date, channel, campaign_id
    HAVING costs + closed_costs > 0
)
ARRAY JOIN [
        ('cost_per_add', adds, adds, 0, closed[2]),
        ('cost_per_retained_add_24h', retained[1], old[1], 1, closed[3]),
        ('cost_per_retained_add_7d', retained[2], old[2], 7, 0),
        ('cost_per_retained_add_30d', retained[3], old[3], 30, 0)
    ] AS part
COMMENT 'ADS 活动成本长表：一行一指标，先求和再相除；现在与结账时 / cost figures of campaigns, one row for each: add up numerators and denominators, then divide; now and as of closing';
