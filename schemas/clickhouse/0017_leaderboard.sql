-- Leaderboards and targets (ADS): asked by day and without channel, they read the rows for boards.

CREATE VIEW v_leaderboard_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    level LowCardinality(String) COMMENT '层级 region/store/staff / level: region, store or staff',
    id String COMMENT '对象 / id at that level',
    name String COMMENT '名称（当前） / name as of now',
    adds UInt64 COMMENT '加粉数 / friends added',
    net_adds Int64 COMMENT '净增=加粉−客户删除−员工删除 / adds minus deletions by customers and by staff',
    qualified_adds UInt64 COMMENT '合格加粉（新客、24小时内未流失未清理，又报加粉亦随该好友；满24小时前为暂定） / new to the corp and neither lost nor purged within 24 h, further adds while a friend followed; provisional until 24 h have passed',
    qualified_final UInt64 COMMENT '其中已定稿 / of these final: 24 h have passed',
    rank UInt32 COMMENT '名次（并列同名次） / rank by adds; ties share it',
    is_tied Bool COMMENT '是否并列 / another has as many adds',
    place UInt32 COMMENT '排列次序：并列者先达到者在前 / order of the rows: of ties the one that reached the score first',
    reached_at DateTime64(3, 'UTC') COMMENT '达到当前加粉数的时间；无加粉为 1970 / when the score was reached: occurred_at of the last add; 1970 without adds',
    adds_hour_ago UInt64 COMMENT '一小时前的加粉数（整分钟，按数据完整时刻） / adds one hour before the instant everything is counted through, whole minutes',
    rank_hour_ago UInt32 COMMENT '一小时前的名次；当时尚无加粉为 0 / rank by these; 0 where there were none',
    staff_active UInt32 COMMENT '该日结束时的在职员工数；该日未结束为当前（人均的分母） / active members of staff at the end of the day, as of now before it: denominator of per head',
    target UInt64 COMMENT '加粉目标；未设为 0（达成率的分母） / target of adds, denominator of the share reached; 0 if none is set',
    is_closed Bool COMMENT '是否已结账 / the day is closed',
    closed_rank UInt32 COMMENT '结账时的名次；未结账为 0 / rank by adds as of closing: rewards were paid on it; 0 while the day is not closed',
    adjusted_adds Int64 COMMENT '结账后的加粉调整 / adds now minus as of closing; 0 while the day is not closed',
    adjusted_qualified_adds Int64 COMMENT '结账后的合格加粉调整 / qualified adds now minus as of closing'
)
AS
WITH
    ifNull((SELECT greatest(toStartOfMinute(t.complete_through), toDateTime(3600, 'UTC')) - INTERVAL 1 HOUR FROM v_complete_through AS t), toDateTime(0, 'UTC')) AS hour_ago
SELECT
    b.corp_id AS corp_id, b.business_date AS business_date, b.level AS level, b.id AS id, n.name AS name,
    b.adds AS adds, b.net_adds AS net_adds, b.qualified AS qualified_adds, b.final AS qualified_final,
    toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC)) AS rank,
    count() OVER (PARTITION BY b.corp_id, b.business_date, b.level, b.adds) > 1 AS is_tied,
    toUInt32(row_number() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC, b.reached_at ASC, b.id ASC)) AS place,
    b.reached_at AS reached_at,
    -- Within a flush the rows by minute may be ahead of those by day.
    toUInt64(greatest(0, b.adds - b.last_hour)) AS adds_hour_ago,
    -- Who shared the last rank with everybody, with no add, has neither risen nor fallen.
    if(adds_hour_ago > 0, toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds - b.last_hour DESC)), 0) AS rank_hour_ago,
    -- Of a day that no refresh has noted yet, as of now.
    toUInt32(arraySum(c -> if(c.at < least(if(d.ends_at > toDateTime64(0, 3, 'UTC'), d.ends_at, now64(3)), now64(3)), c.change, 0), n.changes)) AS staff_active,
    t.target AS target, b.is_closed AS is_closed,
    if(b.is_closed, toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.closed_adds DESC)), 0) AS closed_rank,
    if(b.is_closed, toInt64(b.adds) - toInt64(b.closed_adds), 0) AS adjusted_adds,
    if(b.is_closed, toInt64(b.final) - toInt64(b.closed_qualified), 0) AS adjusted_qualified_adds
-- One union of tables and not a join of a view for each: planning those took longer than answering them.
FROM (
    SELECT
        corp_id, business_date, place.1 AS level, place.2 AS id,
        sum(c.events) AS events, sum(c.adds) AS adds, sum(c.net_adds) AS net_adds, max(c.last_add_at) AS reached_at,
        sum(c.last_hour) AS last_hour, sum(c.qualified) AS qualified, sum(c.final) AS final,
        sum(c.closed_adds) AS closed_adds, sum(c.closed_qualified) AS closed_qualified,
        (corp_id, business_date) IN (SELECT corp_id, business_date FROM closings) AS is_closed
    FROM (
        SELECT
            corp_id, business_date, region_id, store_id, staff_id, toUInt64(events) AS events, adds,
            toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff) AS net_adds, last_add_at,
            toUInt64(0) AS last_hour, toUInt64(0) AS qualified, toUInt64(0) AS final,
            toUInt64(0) AS closed_adds, toUInt64(0) AS closed_qualified
        FROM counts_1d_board_registers FINAL
        WHERE channel = ''
        SETTINGS do_not_merge_across_partitions_select_final = 1
        UNION ALL
        SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, toDateTime64(0, 3, 'UTC'), sum(r.adds), 0, 0, 0, 0
        FROM counts_1m_registers AS r FINAL
        -- Most rows have no add, and grouping is what takes the time.
        WHERE window_start >= hour_ago AND r.adds > 0
        GROUP BY corp_id, business_date, region_id, store_id, staff_id
        SETTINGS do_not_merge_across_partitions_select_final = 1
        UNION ALL
        SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, toDateTime64(0, 3, 'UTC'), 0, qualified_adds, qualified_final, 0, 0
        FROM cohort_rows FINAL
        WHERE adds > 0
        SETTINGS do_not_merge_across_partitions_select_final = 1
        UNION ALL
        -- Of a closed day also who has nothing left of it.
        SELECT corp_id, business_date, region_id, store_id, staff_id, 1, 0, 0, toDateTime64(0, 3, 'UTC'), 0, 0, 0, adds, qualified_adds
        FROM closed_rows FINAL
        WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
        SETTINGS do_not_merge_across_partitions_select_final = 1
    ) AS c
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    WHERE place.2 != ''
    GROUP BY corp_id, business_date, level, id
    HAVING events > 0
) AS b
LEFT JOIN dim_headcount AS n ON n.corp_id = b.corp_id AND n.level = b.level AND n.id = b.id
LEFT JOIN (SELECT corp_id, business_date, ends_at FROM business_days FINAL) AS d ON d.corp_id = b.corp_id AND d.business_date = b.business_date
LEFT JOIN (
    SELECT corp_id, business_date, level, id, target FROM dim_target WHERE metric = 'adds'
) AS t ON t.corp_id = b.corp_id AND t.business_date = b.business_date AND t.level = b.level AND t.id = b.id
COMMENT 'ADS 日榜：大区、门店、员工 / leaderboard of the day by region, store and staff';

CREATE VIEW v_targets (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    level LowCardinality(String) COMMENT '层级 staff/store/region/corp / level: staff, store, region or corp',
    id String COMMENT '对象；corp 层为企业 / id at that level; of the level corp the corp itself',
    metric LowCardinality(String) COMMENT '指标 adds/net_adds/qualified_adds / metric: adds, net_adds or qualified_adds',
    target UInt64 COMMENT '目标值（达成率的分母） / target: denominator of the share reached',
    value Int64 COMMENT '当前值（达成率的分子）；未知指标为 0 / value so far: its numerator; 0 for any other metric'
)
AS
SELECT
    t.corp_id AS corp_id, t.business_date AS business_date, t.level AS level, t.id AS id, t.metric AS metric,
    t.target AS target, v.value AS value
FROM dim_target AS t
LEFT JOIN (
    SELECT corp_id, business_date, level, id, part.1 AS metric, part.2 AS value
    FROM (
        SELECT
            corp_id, business_date, place.1 AS level, place.2 AS id,
            sum(c.adds) AS adds, sum(c.net_adds) AS net_adds, sum(c.qualified_adds) AS qualified_adds
        FROM (
            SELECT
                corp_id, business_date, region_id, store_id, staff_id, toInt64(adds) AS adds,
                toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff) AS net_adds, toInt64(0) AS qualified_adds
            FROM v_counts_1d_staff
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, toInt64(qualified_adds)
            FROM v_qualified_adds_1d
        ) AS c
        ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id), ('corp', toString(corp_id))] AS place
        GROUP BY corp_id, business_date, level, id
    )
    ARRAY JOIN [('adds', adds), ('net_adds', net_adds), ('qualified_adds', qualified_adds)] AS part
) AS v ON v.corp_id = t.corp_id AND v.business_date = t.business_date AND v.level = t.level AND v.id = t.id AND v.metric = t.metric
COMMENT 'ADS 目标与达成 / targets and what is reached';
