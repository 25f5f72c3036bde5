-- Closed days: rewards were paid on them, so what they said then stays readable beside what they say now (DWS). Every day
-- with any count is closed, and every figure is kept: rewards hang on adds that stay, but also on losses, answers, orders.

CREATE VIEW v_figures_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    figure LowCardinality(String) COMMENT '指标：v_counts_1d、v_cohorts_1d 的列名；队列申请为 requests_of_customers / figure: a column of v_counts_1d or of v_cohorts_1d; requests_out of the latter is requests_of_customers here',
    value Int64 COMMENT '数值 / its value'
)
AS
SELECT corp_id, business_date, region_id, store_id, staff_id, channel, part.1 AS figure, part.2 AS value
FROM v_counts_1d
ARRAY JOIN [
        ('exposures', toInt64(exposures)), ('scans', toInt64(scans)), ('requests_in', toInt64(requests_in)),
        ('requests_out', toInt64(requests_out)), ('half_adds', toInt64(half_adds)), ('adds', toInt64(adds)),
        ('late_adds', toInt64(late_adds)), ('deletes_by_customer', toInt64(deletes_by_customer)),
        ('deletes_by_staff', toInt64(deletes_by_staff)), ('transfers_in', toInt64(transfers_in)),
        ('transfers_out', toInt64(transfers_out)), ('messages_in', toInt64(messages_in)),
        ('messages_out', toInt64(messages_out)), ('messages_auto', toInt64(messages_auto)), ('orders', toInt64(orders)),
        ('gmv_fen', toInt64(gmv_fen)), ('refunds', toInt64(refunds)), ('refund_fen', toInt64(refund_fen)),
        ('broadcasts', toInt64(broadcasts))
    ] AS part
WHERE part.2 != 0
UNION ALL
SELECT corp_id, business_date, region_id, store_id, staff_id, channel, part.1, part.2
FROM v_cohorts_1d
ARRAY JOIN [
        ('first_adds', toInt64(first_adds)), ('re_adds', toInt64(re_adds)), ('new_adds', toInt64(new_adds)),
        ('qualified_adds', toInt64(qualified_adds)), ('lost_adds', toInt64(lost_adds)),
        ('opened_adds', toInt64(opened_adds)), ('matured_same_day', toInt64(matured_same_day)),
        ('lost_same_day', toInt64(lost_same_day)), ('opened_same_day', toInt64(opened_same_day)),
        ('replied_same_day', toInt64(replied_same_day)), ('reply_seconds', toInt64(reply_seconds)),
        ('replied_1m', toInt64(replied_1m)), ('replied_5m', toInt64(replied_5m)), ('replied_30m', toInt64(replied_30m)),
        ('replied_2h', toInt64(replied_2h)), ('replied_later', toInt64(replied_later)),
        ('matured_24h', toInt64(matured_24h)), ('lost_24h', toInt64(lost_24h)), ('purged_24h', toInt64(purged_24h)),
        ('replaced_24h', toInt64(replaced_24h)), ('retained_24h', toInt64(retained_24h)),
        ('opened_24h', toInt64(opened_24h)), ('qualified_final', toInt64(qualified_final)),
        ('matured_7d', toInt64(matured_7d)), ('lost_7d', toInt64(lost_7d)), ('retained_7d', toInt64(retained_7d)),
        ('converted_7d', toInt64(converted_7d)), ('gmv_7d_fen', toInt64(gmv_7d_fen)),
        ('matured_30d', toInt64(matured_30d)), ('retained_30d', toInt64(retained_30d)),
        ('converted_30d', toInt64(converted_30d)), ('gmv_30d_fen', toInt64(gmv_30d_fen)),
        ('matured_72h', toInt64(matured_72h)), ('passed_72h', toInt64(passed_72h)),
        ('accept_seconds', toInt64(accept_seconds)),
        ('requests_of_customers', toInt64(requests_out))
    ] AS part
WHERE part.2 != 0
COMMENT 'DWS 全部指标长表：计数与队列指标，一行一指标 / every figure in one column: counts by day of the event, cohort figures by day of the add';

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
    qualified_adds UInt64 COMMENT '结账时的合格加粉（已定稿） / qualified adds, as of closing; final by then',
    figures Map(LowCardinality(String), Int64) COMMENT '结账时的全部指标（名同 v_figures_1d；不含 0） / every figure as of closing, by its name in v_figures_1d; zeros are left out',
    last_add_at DateTime64(3, 'UTC') COMMENT '结账时该员工在该门店的末次加粉时间，不分渠道；无加粉为 1970 / last add of the member of staff at this store as of closing, of any channel; 1970 without adds'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (corp_id, business_date, run, region_id, store_id, staff_id, channel)
COMMENT '结账时的数值（物理表，请读视图 v_closed_1d）；保留：永久 / figures as of closing: physical table, read v_closed_1d; kept: for ever';

-- What the figures of a closed day are measured by, as it was known then: it comes from files and topics of others, who may
-- publish it anew whenever they like.
-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE closed_place_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    run UInt64 COMMENT '结账的刷新编号 / number of the run that closed the day',
    level LowCardinality(String) COMMENT '层级 corp/region/store/staff / level: corp, region, store or staff',
    id String COMMENT '对象 / id at that level',
    staff_active UInt32 COMMENT '该日结束时的在职员工数，按结账时所知的组织；corp 层不计，为 0 / active members of staff at the end of the day, by the organisation as it was known at closing; 0 of the corp itself, whose heads are not counted',
    targets Map(LowCardinality(String), UInt64) COMMENT '结账时的各指标目标；当时未设者不在其中，事后补发不算 / target of each metric as of closing; none that was published later, for rewards were not paid on it'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (corp_id, business_date, run, level, id)
SETTINGS index_granularity = 1024
COMMENT '结账时的在职员工数与目标（物理表，请读视图 v_headcount_1d、v_targets、v_leaderboard_1d）；保留：永久 / heads and targets as of closing: physical table, read v_headcount_1d, v_targets and v_leaderboard_1d; kept: for ever';

-- Adds and those of them that are retained belong to the campaign: figures by channel do not tell them.
-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE closed_cost_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '花费与加粉的业务日期 / business day of the costs and of the adds',
    run UInt64 COMMENT '结账的刷新编号 / number of the run that closed the day',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    campaign_id String COMMENT '活动；无则为空 / campaign; empty if none',
    cost_fen UInt64 COMMENT '结账时的花费（分）；事后补发不算 / cost as of closing, in 1/100 of the currency; what was published later is none of it',
    adds UInt64 COMMENT '结账时该活动的加粉数 / adds of the campaign, as of closing',
    retained_24h UInt64 COMMENT '其中满24小时仍是好友 / of these still friends after 24 h'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (corp_id, business_date, run, channel, campaign_id)
COMMENT '结账时的花费（物理表，请读视图 v_cohort_costs_1d、v_campaign_costs_1d）；保留：永久 / costs as of closing: physical table, read v_cohort_costs_1d and v_campaign_costs_1d; kept: for ever';

-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE closings (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    run UInt64 COMMENT '结账的刷新编号；同一天取最先结账者 / number of the run that closed the day; of several the one that closed it first holds, for ever',
    complete_through DateTime64(3, 'UTC') COMMENT '结账时数据完整至 / every record that the brokers held by then is in the figures',
    closed_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '结账时间 / when it was closed'
)
ENGINE = ReplacingMergeTree
ORDER BY (corp_id, business_date, run)
COMMENT '结账（物理表，请读视图 v_closings）：业务日结束三天后；到期时尚无任何计数的日子按 0 结账，其后所到皆为调整；企业首次结账、或其记录早已发布而后补载的日子除外，按当时已有者结账；保留：永久 / closings, three days after the end of the business day: physical table, read v_closings; a day of which nothing was counted when it was due is closed with nothing, and whatever comes is an adjustment, but for history that is loaded later: of a corp of which no day was closed yet, or with a record that was published in time, a day is closed with what there is; kept: for ever';

-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE business_days (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    ends_at DateTime64(3, 'UTC') COMMENT '该日结束时刻（不含）：企业所在时区的次日零点 / end, exclusive: the next midnight in the zone of the corp',
    noted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间；时区改过则取最后写入者 / when it was noted; of a corp that changed its zone the last holds'
)
ENGINE = ReplacingMergeTree(noted_at)
ORDER BY (corp_id, business_date)
COMMENT '有计数的业务日及其结束时刻（物理表，请读视图 v_days）；保留：永久 / business days with any count, and when they end: physical table, read v_days; kept: for ever';

-- The rule of the board (`DayState`), as of the same instant. Rows of v_closings come with the refresh after a day is closed.
CREATE VIEW v_days (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区）；首次计数后的刷新起列出 / business day of the corp; listed from the refresh after its first count on',
    day_state LowCardinality(String) COMMENT '状态：open 数据尚未完整至该日结束；settling 此后三天内，仍可能变化；closed 三天已满，其后的变化为调整 / open: not everything until its end is counted; settling: within three days from then on, may still change; closed: after that, what changes is an adjustment',
    ends_at DateTime64(3, 'UTC') COMMENT '该日结束时刻（不含）：企业所在时区的次日零点 / end, exclusive: the next midnight in the zone of the corp',
    closes_at DateTime64(3, 'UTC') COMMENT '结账时刻：结束三天（72 小时）后 / when it is closed: three days, 72 hours, after its end',
    complete_through DateTime64(3, 'UTC') COMMENT '状态按此刻判定：数据完整至 / the state is as of this instant: every record that the brokers held by then is in the views'
)
AS
WITH ifNull((SELECT t.complete_through FROM v_complete_through AS t), toDateTime64(0, 3, 'UTC')) AS through
SELECT
    corp_id, business_date,
    multiIf(through < ends_at, 'open', through < closes_at, 'settling', 'closed') AS day_state,
    ends_at, ends_at + INTERVAL 72 HOUR AS closes_at, through AS complete_through
FROM business_days FINAL
COMMENT 'DWS 业务日的状态：open、settling、closed / business days and their state: open, settling or closed';

CREATE VIEW v_closings (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    run UInt64 COMMENT '结账的刷新编号 / number of the run that closed the day; closed_rows has its figures',
    complete_through DateTime64(3, 'UTC') COMMENT '结账时数据完整至 / every record that the brokers held by then is in the figures',
    closed_at DateTime64(3, 'UTC') COMMENT '结账时间 / when it was closed'
)
AS
SELECT
    corp_id, business_date,
    argMin(c.run, (c.closed_at, c.run)) AS run, argMin(c.complete_through, (c.closed_at, c.run)) AS complete_through,
    min(c.closed_at) AS closed_at
FROM closings AS c
GROUP BY corp_id, business_date
COMMENT 'DWS 已结账的业务日：同一天多次结账，以最先者为准；到期时尚无计数者按 0 结账 / closed days: of several closings of a day the first holds, for ever; one of which nothing was counted when it was due was closed with nothing';

CREATE VIEW v_headcount_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    level LowCardinality(String) COMMENT '层级 region/store/staff / level: region, store or staff',
    id String COMMENT '对象 / id at that level',
    staff_active UInt32 COMMENT '该日结束时的在职员工数；该日未结束为当前（人均的分母）；按现在所知的组织 / active members of staff at the end of the day, as of now before it: denominator of per head, by the organisation as it is known now',
    closed_staff_active UInt32 COMMENT '结账时所知的该日结束时在职员工数（结账时人均的分母）；未结账为 0 / the same as it was known when the day was closed: denominator of per head as of closing; 0 while the day is not closed'
)
AS
SELECT
    corp_id, business_date, level, id,
    toUInt32(greatest(0, sum(h.staff_active))) AS staff_active, toUInt32(sum(h.closed_staff_active)) AS closed_staff_active
FROM (
    SELECT
        h.corp_id AS corp_id, d.business_date AS business_date, toLowCardinality(toString(h.level)) AS level, h.id AS id,
        toInt64(arraySum(c -> if(c.at < least(d.ends_at, now64(3)), c.change, 0), h.changes)) AS staff_active,
        toUInt64(0) AS closed_staff_active
    FROM (SELECT corp_id, business_date, ends_at FROM business_days FINAL) AS d
    INNER JOIN dim_headcount AS h ON h.corp_id = d.corp_id
    UNION ALL
    SELECT corp_id, business_date, level, id, 0, staff_active
    FROM closed_place_rows FINAL
    WHERE level != 'corp' AND (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
    SETTINGS do_not_merge_across_partitions_select_final = 1
) AS h
GROUP BY corp_id, business_date, level, id
COMMENT 'DWS 每日在职员工数：大区、门店、员工；现在所知与结账时所知 / active members of staff by day: of regions, of stores, and of each member; as it is known now and as it was known at closing';

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
    WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
    UNION ALL
    SELECT
        corp_id, business_date, region_id, store_id, staff_id, channel, 0, 0, 0,
        toInt64(adds), toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff), 0
    FROM v_counts_1d
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM v_closings)
    UNION ALL
    SELECT corp_id, business_date, region_id, store_id, staff_id, channel, 0, 0, 0, 0, 0, toInt64(qualified_final)
    FROM v_cohorts_1d
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM v_closings)
) AS r
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
HAVING closed_adds + abs(closed_net_adds) + closed_qualified_adds + abs(adjusted_adds) + abs(adjusted_net_adds) + abs(adjusted_qualified_adds) > 0
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 已结账业务日：结账时的数值，与其后的调整 / closed days: figures as of closing, and adjustments since';

CREATE VIEW v_closed_figures_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / business day of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    figure LowCardinality(String) COMMENT '指标，见 v_figures_1d；7 天、30 天指标结账时多未满期 / figure, see v_figures_1d; of 7 d and 30 d few members have matured at closing',
    closed Int64 COMMENT '结账时的数值 / its value as of closing',
    adjusted Int64 COMMENT '结账后的调整 / its value now minus as of closing'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id, channel, figure,
    sum(r.closed) AS closed, sum(r.now) - closed AS adjusted
FROM (
    SELECT corp_id, business_date, region_id, store_id, staff_id, channel, toString(figure) AS figure, closed, toInt64(0) AS now
    FROM closed_rows FINAL
    ARRAY JOIN mapKeys(figures) AS figure, mapValues(figures) AS closed
    WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
    UNION ALL
    SELECT corp_id, business_date, region_id, store_id, staff_id, channel, toString(f.figure), 0, f.value
    FROM v_figures_1d AS f
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM v_closings)
) AS r
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel, figure
HAVING closed != 0 OR adjusted != 0
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 已结账业务日的全部指标：结账时的数值与其后的调整 / closed days, every figure: as of closing, and adjustments since';
