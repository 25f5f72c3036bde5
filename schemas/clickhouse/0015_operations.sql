-- What operators look at: broadcasts, contests, targets, codes that fell silent, corrections, freshness (ADS).

-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE broadcast_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '群发的业务日期 / business day of the broadcast',
    task_id String COMMENT '群发任务 / broadcast task',
    staff_id String COMMENT '员工 / member of staff',
    src_topic LowCardinality(String) COMMENT '来源主题 / topic of the record',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_offset UInt64 COMMENT '来源位点 / offset of the record',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    task_name String COMMENT '群发任务名；未给为空 / name of the task; empty if absent',
    sent_at DateTime64(3, 'UTC') COMMENT '群发时间 / when it was sent',
    audience UInt64 COMMENT '群发人数（分母） / audience: the denominator',
    deleted_24h UInt64 COMMENT '24 小时内删除该员工的客户（群发时为好友；多次群发归最近一次） / customers who deleted the staff within [0, 24 h) of it, being friends when it was sent; the last broadcast before a deletion wins',
    digest UInt64 COMMENT '内容摘要；撤销为 0 / digest of the content; 0 when withdrawn',
    version UInt64 COMMENT '计算时间（微秒），大者为准 / microseconds of the computation; the largest holds'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
ORDER BY (corp_id, business_date, task_id, staff_id, src_topic, src_partition, src_offset)
COMMENT '群发及其流失（物理表，请读视图 v_broadcasts）；保留：永久 / broadcasts and the losses after them: physical table, read v_broadcasts; kept: for ever';

CREATE VIEW v_refresh (
    figure LowCardinality(String) COMMENT '指标：v_cohort_figures_1d、v_cohort_costs_1d 的指标，及群发后流失（v_broadcasts） / figure: those of v_cohort_figures_1d and v_cohort_costs_1d, and loss_after_broadcast of v_broadcasts',
    final_after_seconds UInt32 COMMENT '成员满多久后定稿；成本按日，自该日 UTC 零点起算；当日指标最迟一天 / a member is final after so many seconds: of the same day a day at most, of costs, which are by day, from its midnight in UTC on',
    complete_through DateTime64(3, 'UTC') COMMENT '已反映此刻之前代理持有的全部记录 / every record that the brokers held by then is in it',
    refreshed_at DateTime64(3, 'UTC') COMMENT '最近一次刷新完成时间 / when the last run was finished',
    lag_seconds UInt32 COMMENT '滞后秒数 / seconds behind, never negative'
)
AS
SELECT
    part.1 AS figure, part.2 AS final_after_seconds, r.complete_through AS complete_through, r.finished_at AS refreshed_at,
    toUInt32(intDiv(greatest(0, dateDiff('millisecond', r.complete_through, now64(3))), 1000)) AS lag_seconds
FROM (
    SELECT
        argMax(l.complete_through, l.run) AS complete_through, argMax(l.finished_at, l.run) AS finished_at
    FROM refresh_runs AS l
) AS r
ARRAY JOIN [
        ('first_adds', 0), ('re_adds', 0), ('new_to_corp', 0), ('qualified_provisional', 0), ('qualified_final', 86400),
        ('loss_same_day', 86400), ('loss_24h', 86400), ('loss_7d', 604800), ('retained_24h', 86400), ('retained_7d', 604800),
        ('retained_30d', 2592000), ('staff_purge_24h', 86400), ('opened_same_day', 86400), ('opened_24h', 86400),
        ('first_reply', 86400), ('first_reply_seconds', 86400), ('conversion_7d', 604800), ('conversion_30d', 2592000),
        ('gmv_per_add_7d', 604800), ('gmv_per_add_30d', 2592000), ('pass_rate_72h', 259200), ('accept_seconds', 259200),
        ('loss_after_broadcast', 86400), ('cost_per_add', 129600), ('cost_per_retained_add_24h', 216000),
        ('cost_per_retained_add_7d', 734400), ('cost_per_retained_add_30d', 2721600)
    ] AS part
COMMENT 'OPS 队列指标的新鲜度：一行一指标 / freshness of the cohort figures, one row for each';

CREATE VIEW v_broadcasts (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '群发的业务日期 / business day of the broadcast',
    task_id String COMMENT '群发任务 / broadcast task',
    task_name String COMMENT '群发任务名；未给为空 / name of the task; empty if absent',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    sent_at DateTime64(3, 'UTC') COMMENT '首次发出时间 / when it was first sent',
    last_sent_at DateTime64(3, 'UTC') COMMENT '末次发出时间 / when it was last sent',
    audience UInt64 COMMENT '群发人数（分母） / audience: the denominator',
    deleted_24h UInt64 COMMENT '24 小时内删除该员工的客户（分子） / customers who deleted the staff within 24 h: the numerator',
    matured UInt64 COMMENT '其中已满24小时的群发人数（流失率的分母） / of the audience those whose 24 h have passed: denominator of the rate',
    pending UInt64 COMMENT '未满24小时的群发人数 / of the audience those whose 24 h have not',
    deleted_matured UInt64 COMMENT '已满24小时的群发之后删除的客户（流失率的分子） / of the deletions those after broadcasts whose 24 h have passed: numerator of the rate',
    is_provisional Bool COMMENT '未满24小时，暂定 / its 24 h have not passed'
)
AS
WITH ifNull((SELECT argMax(l.complete_through, l.run) - INTERVAL 1 DAY FROM refresh_runs AS l), toDateTime64(0, 3, 'UTC')) AS day_ago
SELECT
    corp_id, business_date, task_id, max(b.task_name) AS task_name, region_id, store_id, staff_id,
    min(b.sent_at) AS sent_at, max(b.sent_at) AS last_sent_at, sum(b.audience) AS audience, sum(b.deleted_24h) AS deleted_24h,
    sumIf(b.audience, b.sent_at <= day_ago) AS matured, sum(b.audience) - matured AS pending,
    sumIf(b.deleted_24h, b.sent_at <= day_ago) AS deleted_matured, last_sent_at > day_ago AS is_provisional
FROM broadcast_rows AS b FINAL
WHERE digest != 0
GROUP BY corp_id, business_date, task_id, region_id, store_id, staff_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'ADS 群发后流失：任务×员工，相加即任务合计 / losses after broadcasts by task and staff; they add up';

-- sharding: cityHash64(corp_id)
CREATE TABLE closed_contest_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    contest_id String COMMENT '比赛 / contest',
    run UInt64 COMMENT '定格的刷新编号；多次定格以最先者为准 / number of the run that closed it; of several the first holds',
    id String COMMENT '参赛对象 / one that takes part',
    name String COMMENT '名称 / name',
    level LowCardinality(String) COMMENT '层级 / level of those who take part',
    metric LowCardinality(String) COMMENT '指标 / metric',
    basis LowCardinality(String) COMMENT '口径 total 或 per_head / basis: total or per_head',
    starts_at DateTime64(3, 'UTC') COMMENT '开始（含） / start, inclusive',
    ends_at DateTime64(3, 'UTC') COMMENT '结束（不含） / end, exclusive',
    value Int64 COMMENT '定格的值 / value as of closing',
    staff_active UInt32 COMMENT '结束时的在职员工数，按定格时所知的组织 / active members of staff at its end, as it was known at closing',
    rank UInt32 COMMENT '定格的名次 / rank as of closing',
    closed_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '定格时间 / when it was closed'
)
ENGINE = ReplacingMergeTree
ORDER BY (corp_id, contest_id, run, id)
COMMENT '比赛结果，结束三天后定格（物理表，请读视图 v_contests）；保留：永久 / results of contests, closed three days after their end: physical table, read v_contests; kept: for ever';

CREATE VIEW v_contests (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    contest_id String COMMENT '比赛 / contest',
    name String COMMENT '名称 / name',
    level LowCardinality(String) COMMENT '层级 / level of those who take part',
    id String COMMENT '参赛对象 / one that takes part',
    metric LowCardinality(String) COMMENT '指标 adds/net_adds/qualified_adds / metric: adds, net_adds or qualified_adds',
    basis LowCardinality(String) COMMENT '口径 total 或 per_head / basis: total or per_head',
    starts_at DateTime64(3, 'UTC') COMMENT '开始（含） / start, inclusive',
    ends_at DateTime64(3, 'UTC') COMMENT '结束（不含） / end, exclusive',
    state LowCardinality(String) COMMENT '状态 upcoming/running/ended/closed（按数据完整时刻）；结束三天后定格为 closed / upcoming, running or ended by the instant everything is counted through; closed from the refresh three days after its end on',
    value Int64 COMMENT '起止之间的值（分子）；结束满七天后为定格的值 / value from start to end: the numerator of per head; seven days after its end as of closing',
    staff_active UInt32 COMMENT '结束时的在职员工数；未结束为当前（人均的分母）；结束满七天后为定格时所知 / active members of staff at its end, as of now before it: the denominator of per head; seven days after its end as it was known at closing',
    rank UInt32 COMMENT '名次（按口径；并列同名次） / rank on the basis; ties share it',
    closed_value Int64 COMMENT '定格的值：奖励以此为准，其后所到不改；未定格为 0 / value as of closing: rewards were paid on it, whatever came later; 0 before',
    closed_staff_active UInt32 COMMENT '定格时所知的结束时在职员工数；未定格为 0 / active members of staff at its end as known at closing; 0 before',
    closed_rank UInt32 COMMENT '定格的名次；未定格为 0 / rank as of closing; 0 before'
)
AS
WITH
    ifNull((SELECT t.complete_through FROM v_complete_through AS t), toDateTime64(0, 3, 'UTC')) AS through,
    newest AS (
        SELECT
            corp_id, contest_id,
            argMax((c.name, toString(c.level), c.ids, toString(c.metric), toString(c.basis), c.starts_at, c.ends_at, c.removed), (c.published_at, c.src_offset)) AS row
        FROM contests_history AS c
        GROUP BY corp_id, contest_id
        -- Older ones stand as they were closed: a view must not read the facts of years.
        HAVING NOT row.8 AND (row.7 > through - INTERVAL 7 DAY
            OR (corp_id, contest_id) NOT IN (SELECT corp_id, contest_id FROM closed_contest_rows))
    )
SELECT
    corp_id, contest_id, argMax(c.name, c.is_live) AS name, argMax(c.level, c.is_live) AS level, id,
    argMax(c.metric, c.is_live) AS metric, argMax(c.basis, c.is_live) AS basis, argMax(c.starts_at, c.is_live) AS starts_at,
    argMax(c.ends_at, c.is_live) AS ends_at, if(closed_rank > 0, 'closed', max(c.state)) AS state,
    argMax(c.value, c.is_live) AS value, argMax(c.staff_active, c.is_live) AS staff_active, argMax(c.rank, c.is_live) AS rank,
    sumIf(c.value, NOT c.is_live) AS closed_value, toUInt32(sumIf(c.staff_active, NOT c.is_live)) AS closed_staff_active,
    toUInt32(sumIf(c.rank, NOT c.is_live)) AS closed_rank
FROM (
    SELECT
        true AS is_live, s.corp_id AS corp_id, s.contest_id AS contest_id, s.row.1 AS name, s.row.2 AS level, s.id AS id, s.row.4 AS metric,
        s.row.5 AS basis, s.row.6 AS starts_at, s.row.7 AS ends_at,
        multiIf(through < starts_at, 'upcoming', through < ends_at, 'running', 'ended') AS state,
        toInt64(v.value) AS value,
        toUInt32(arraySum(c -> if(c.at < least(s.row.7, now64(3)), c.change, 0), h.changes)) AS staff_active,
        toUInt32(rank() OVER (PARTITION BY s.corp_id, s.contest_id ORDER BY if(s.row.5 = 'per_head', v.value / greatest(staff_active, 1), toFloat64(v.value)) DESC)) AS rank
    FROM (SELECT corp_id, contest_id, row, id FROM newest ARRAY JOIN row.3 AS id) AS s
    LEFT JOIN (
        SELECT c.corp_id AS corp_id, c.contest_id AS contest_id, a.id AS id, sum(a.value) AS value
        FROM newest AS c
        INNER JOIN (
            SELECT
                corp_id, occurred_at, place.1 AS level, place.2 AS id,
                arrayJoin(if(type = 'friend.added', [('adds', 1), ('net_adds', 1)], [('net_adds', -1)])) AS part,
                part.1 AS metric, part.2 AS value
            FROM events
            ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
            WHERE type IN ('friend.added', 'friend.deleted_by_customer', 'friend.deleted_by_staff')
                AND (type != 'friend.added' OR channel_group != 'transfer')
                AND (corp_id, business_date) IN (
                    SELECT corp_id, arrayJoin(arrayMap(d -> toDate(row.6) - 1 + d, range(toUInt32(greatest(0, dateDiff('day', row.6, row.7))) + 3)))
                    FROM newest)
            UNION ALL
            SELECT corp_id, began_at, place.1, place.2, ('qualified_adds', 1), 'qualified_adds', 1
            FROM v_episodes
            ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
            WHERE is_new_to_corp AND NOT ifNull(unfriended_at < began_at + INTERVAL 1 DAY, false)
                AND (corp_id, business_date) IN (
                    SELECT corp_id, arrayJoin(arrayMap(d -> toDate(row.6) - 1 + d, range(toUInt32(greatest(0, dateDiff('day', row.6, row.7))) + 3)))
                    FROM newest WHERE row.4 = 'qualified_adds')
        ) AS a ON a.corp_id = c.corp_id AND a.level = c.row.2 AND a.metric = c.row.4
        WHERE a.occurred_at >= c.row.6 AND a.occurred_at < c.row.7 AND has(c.row.3, a.id)
        GROUP BY corp_id, contest_id, id
    ) AS v ON v.corp_id = s.corp_id AND v.contest_id = s.contest_id AND v.id = s.id
    LEFT JOIN dim_headcount AS h ON h.corp_id = s.corp_id AND h.level = s.row.2 AND h.id = s.id
    UNION ALL
    SELECT
        false, corp_id, contest_id, name, toString(level), id, toString(metric), toString(basis), starts_at, ends_at, 'closed',
        value, staff_active, rank
    FROM closed_contest_rows FINAL
    WHERE (corp_id, contest_id, run) IN (
        SELECT corp_id, contest_id, argMin(r.run, (r.closed_at, r.run)) FROM closed_contest_rows AS r GROUP BY corp_id, contest_id)
) AS c
GROUP BY corp_id, contest_id, id
COMMENT 'ADS 比赛：一行一参赛者；现在与结束三天后定格的结果 / contests, one row for each that takes part: as of now, and as closed three days after the end';

CREATE VIEW v_silent_codes (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    state String COMMENT '渠道码 / channel code',
    label String COMMENT '名称；未登记为空 / label of the code; empty if it has no row',
    channel LowCardinality(String) COMMENT '最近一次的渠道键 / key of the channel of its last add',
    last_add_at DateTime64(3, 'UTC') COMMENT '最近加粉时间 / its last add',
    silent_seconds UInt32 COMMENT '至今无加粉的秒数（按数据完整时刻） / seconds since, by the instant everything is counted through',
    usual_gap_seconds UInt32 COMMENT '相邻加粉间隔的第 95 百分位：近 14 天与最近 20 次两者取大 / 95th percentile of the gaps between its adds: of the last 14 days or of the last 20, whichever is longer',
    usual_adds Nullable(Float64) COMMENT '前几天（至多 14 天）在同一时段（自最近一次加粉的钟点至今）平均的加粉数；不满一天为空 / adds that it had on average on the days before, 14 at most, in the part of the day since its last add; null before it is a day old',
    adds_14d UInt64 COMMENT '近 14 天加粉数；满 10 个才列，更少则无所谓平时 / its adds of the last 14 days; of fewer than 10 no gap is usual, and the code is not listed',
    region_id LowCardinality(String) COMMENT '其加粉所在大区；不止一个为空 / region of all its adds; empty if there are several',
    store_id LowCardinality(String) COMMENT '其加粉所在门店；不止一个为空 / store of all its adds; empty if there are several',
    staff_id String COMMENT '其加粉的员工；不止一人为空 / member of staff of all its adds; empty if there are several'
)
AS
WITH
    ifNull((SELECT t.complete_through FROM v_complete_through AS t), toDateTime64(0, 3, 'UTC')) AS through
SELECT
    a.corp_id AS corp_id, a.state AS state, l.label AS label, a.channel AS channel, a.last_add_at AS last_add_at,
    a.silent_seconds AS silent_seconds, a.usual_gap_seconds AS usual_gap_seconds, a.usual_adds AS usual_adds, a.adds AS adds_14d,
    a.region AS region_id, a.store AS store_id, a.staff AS staff_id
FROM (
    SELECT
        corp_id, state,
        if(min(f.region_id) = max(f.region_id), any(f.region_id), '') AS region,
        if(min(f.store_id) = max(f.store_id), any(f.store_id), '') AS store,
        if(min(f.staff_id) = max(f.staff_id), any(f.staff_id), '') AS staff,
        argMax(toString(f.channel), f.occurred_at) AS channel, max(f.occurred_at) AS last_add_at, count() AS adds,
        toUInt32(greatest(0, dateDiff('second', last_add_at, through))) AS silent_seconds,
        arraySort(groupArray(toUnixTimestamp(f.occurred_at))) AS times, arrayPopFront(arrayDifference(times)) AS gaps,
        toUInt32(greatest(arrayReduce('quantileExact(0.95)', gaps), arrayReduce('quantileExact(0.95)', arraySlice(gaps, -20)))) AS usual_gap_seconds,
        intDiv(times[-1] - times[1], 86400) AS days,
        if(days = 0, NULL, arrayCount(t -> t > times[-1] - days * 86400 AND (toUnixTimestamp(through) - t) % 86400 < silent_seconds, times) / days) AS usual_adds
    FROM events AS f
    WHERE type = 'friend.added' AND state != '' AND business_date >= toDate(through) - 14
    GROUP BY corp_id, state
    -- Of fewer adds no gap is usual; twice the usual one is worth a look. Not while the shops are closed: a steady stream of
    -- which 5 are missing stops by chance in 1 case of 150.
    HAVING adds >= 10 AND silent_seconds > 2 * usual_gap_seconds AND ifNull(usual_adds, 5) >= 5
) AS a
LEFT JOIN (
    SELECT corp_id, state, argMax(c.label, (c.published_at, c.src_offset)) AS label
    FROM channel_history AS c
    WHERE NOT removed
    GROUP BY corp_id, state
) AS l ON l.corp_id = a.corp_id AND l.state = a.state
COMMENT 'ADS 静默渠道码：久未加粉，超过平时间隔两倍，且同一时段平时至少有 5 次；停用满 14 天者不再列出 / codes without an add for more than twice their usual gap, in a part of the day in which they usually have 5 or more; one that has had none for 14 days is in use no more and left out';

CREATE VIEW v_corrections (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    reason LowCardinality(String) COMMENT '原因：late 为晚到，其余见对账 / why: late, or what reconcile says',
    metric LowCardinality(String) COMMENT '指标 / metric',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    before Int64 COMMENT '更正前 / figure before',
    after Int64 COMMENT '更正后 / figure after',
    recorded_at DateTime64(3, 'UTC') COMMENT '更正时间；晚到者为最后一条记录的时间 / when it was corrected; of late ones the timestamp of the last record',
    is_closed Bool COMMENT '该业务日是否已结账 / the day is closed',
    occurred_from Nullable(DateTime64(3, 'UTC')) COMMENT '晚到者最早的发生时间；其余为 NULL / of late ones when the first had happened; NULL of others',
    occurred_to Nullable(DateTime64(3, 'UTC')) COMMENT '晚到者最晚的发生时间；其余为 NULL / of late ones when the last had happened; NULL of others'
)
AS
SELECT
    corp_id, business_date, reason, metric, region_id, store_id, staff_id, channel, before, after, recorded_at,
    (corp_id, business_date) IN (SELECT corp_id, business_date FROM v_closings) AS is_closed,
    occurred_from, occurred_to
FROM (
    SELECT
        corp_id, business_date, toString(reason) AS reason, toString(metric) AS metric, region_id, store_id, staff_id, channel,
        before, after, recorded_at,
        CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS occurred_from, CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS occurred_to
    FROM amendments
    UNION ALL
    SELECT
        corp_id, business_date, 'late', e.counter, region_id, store_id, staff_id, channel,
        toInt64(countIf(NOT late)) AS before, toInt64(count()) AS after, maxIf(e.recorded_at, late) AS recorded_at,
        toNullable(minIf(e.occurred_at, late)), toNullable(maxIf(e.occurred_at, late))
    FROM (
        -- Late as `late_adds` and the hatched part of a bar have it.
        SELECT
            *, dateDiff('millisecond', occurred_at, recorded_at) > 120000 AS late,
            transform(toString(type), ['friend.added', 'friend.deleted_by_customer'], ['adds', 'deletes_by_customer'], 'deletes_by_staff') AS counter
        FROM events
        WHERE type IN ('friend.added', 'friend.deleted_by_customer', 'friend.deleted_by_staff')
            AND (type != 'friend.added' OR channel_group != 'transfer')
    ) AS e
    GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel, e.counter
    HAVING after > before
) AS c
COMMENT 'ADS 更正：晚到（超过 120 秒）的加粉与删除，及对账的更正 / corrections: adds and deletions that came more than 120 s late, and what reconcile corrected';
