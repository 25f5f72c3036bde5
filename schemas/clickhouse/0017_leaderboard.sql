-- Leaderboards and targets (ADS): asked by day and without channel, they read the rows for boards.

-- What a leaderboard shows beside the counts of today, as of the last refresh: of one table and not of the ten that it comes
-- from, whose planning alone took longer than the answer may. By place of the counts, so that who may see a region sees its
-- parts, and nothing else, here too.
-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE leaderboard_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    adds_hour_ago UInt64 COMMENT '刷新时数据完整时刻前一小时的加粉数；整日已过一小时为 0 / adds one hour before the instant everything was counted through; 0 of a day that is over for an hour',
    is_past Bool COMMENT '该日已过一小时：一小时前的加粉数即当日加粉数 / the day is over for an hour: all its adds are adds of an hour ago',
    qualified_adds UInt64 COMMENT '合格加粉 / qualified adds',
    qualified_final UInt64 COMMENT '其中已定稿 / of these final: 24 h have passed',
    is_closed Bool COMMENT '是否已结账 / the day is closed',
    closed_adds UInt64 COMMENT '结账时的加粉 / adds as of closing',
    closed_qualified_adds UInt64 COMMENT '结账时的合格加粉 / qualified adds as of closing',
    closed_reached_at DateTime64(3, 'UTC') COMMENT '结账时的末次加粉时间；未结账或无加粉为 1970 / last add as of closing; 1970 while the day is not closed, or without adds',
    version UInt64 COMMENT '版本：读取之前的服务器时刻（微秒），大者为准 / microseconds of the server before it was computed; the largest holds'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
ORDER BY (corp_id, business_date, region_id, store_id, staff_id)
SETTINGS index_granularity = 1024
COMMENT '日榜的刷新部分（物理表，请读视图 v_leaderboard_1d）；保留：永久 / leaderboards as far as refreshes compute them: physical table, read v_leaderboard_1d; kept: for ever';

-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE place_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    level LowCardinality(String) COMMENT '层级 corp/region/store/staff / level: corp, region, store or staff',
    id String COMMENT '对象 / id at that level',
    name String COMMENT '名称（刷新时） / name as of the refresh',
    staff_active UInt32 COMMENT '该日结束时的在职员工数；该日未结束为刷新时 / active members of staff at the end of the day, as of the refresh before it',
    target UInt64 COMMENT '加粉目标；未设为 0 / target of adds; 0 if none is set',
    closed_staff_active UInt32 COMMENT '结账时所知的在职员工数；未结账为 0 / active members of staff as known at closing; 0 while the day is not closed',
    closed_target UInt64 COMMENT '结账时的加粉目标；未设或未结账为 0 / target of adds as of closing; 0 if none was set, or while the day is not closed',
    version UInt64 COMMENT '版本：读取之前的服务器时刻（微秒），大者为准 / microseconds of the server before it was computed; the largest holds'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
ORDER BY (corp_id, business_date, level, id)
SETTINGS index_granularity = 1024
COMMENT '各日的大区、门店、员工：名称、人数、目标（物理表，请读视图）；保留：永久 / names, heads and targets of each day: physical table, read the views; kept: for ever';

-- sharding: cityHash64(corp_id)
CREATE TABLE noted_places (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    level LowCardinality(String) COMMENT '层级 region/store/staff / level: region, store or staff',
    id String COMMENT '对象 / id at that level',
    name String COMMENT '名称；已无此对象为空 / name; empty where there is nothing any more',
    steps Array(Tuple(at DateTime64(3, 'UTC'), change Int32)) COMMENT '在职员工数的增减，按时刻合并排序 / changes of the number of active members of staff, one for each instant, in order',
    noted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间，大者为准 / when it was noted; the largest holds'
)
ENGINE = ReplacingMergeTree(noted_at)
ORDER BY (corp_id, level, id)
COMMENT '各日 place_rows 已据此计算的组织：与当前组织之差即待刷新者（内部表）；保留：永久 / the organisation that the place_rows of all days are computed from: where it differs from that of now, a refresh has work to do; internal; kept: for ever';

CREATE VIEW v_leaderboard_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    level LowCardinality(String) COMMENT '层级 region/store/staff / level: region, store or staff',
    id String COMMENT '对象 / id at that level',
    name String COMMENT '名称（上次刷新时） / name as of the last refresh',
    adds UInt64 COMMENT '加粉数（实时） / friends added, up to the second',
    net_adds Int64 COMMENT '净增=加粉−客户删除−员工删除（实时） / adds minus deletions by customers and by staff, up to the second',
    qualified_adds UInt64 COMMENT '合格加粉（新客、24小时内未流失未清理，又报加粉亦随该好友；满24小时前为暂定；上次刷新时） / new to the corp and neither lost nor purged within 24 h, further adds while a friend followed; provisional until 24 h have passed; as of the last refresh',
    qualified_final UInt64 COMMENT '其中已定稿 / of these final: 24 h have passed',
    rank UInt32 COMMENT '名次（并列同名次） / rank by adds; ties share it',
    is_tied Bool COMMENT '是否并列 / another has as many adds',
    place UInt32 COMMENT '排列次序：并列者先达到者在前 / order of the rows: of ties the one that reached the score first',
    reached_at DateTime64(3, 'UTC') COMMENT '达到当前加粉数的时间；无加粉为 1970 / when the score was reached: occurred_at of the last add; 1970 without adds',
    adds_hour_ago UInt64 COMMENT '一小时前的加粉数（整分钟，按上次刷新时的数据完整时刻） / adds one hour before the instant everything was counted through at the last refresh, whole minutes',
    rank_hour_ago UInt32 COMMENT '一小时前的名次；当时尚无加粉为 0 / rank by these; 0 where there were none',
    staff_active UInt32 COMMENT '该日结束时的在职员工数；该日未结束为上次刷新时（人均的分母） / active members of staff at the end of the day, as of the last refresh before it: denominator of per head',
    target UInt64 COMMENT '加粉目标；未设为 0（达成率的分母；上次刷新时） / target of adds, denominator of the share reached; 0 if none is set; as of the last refresh',
    is_closed Bool COMMENT '是否已结账 / the day is closed',
    closed_rank UInt32 COMMENT '结账时的名次；未结账为 0 / rank by adds as of closing: rewards were paid on it; 0 while the day is not closed',
    closed_place UInt32 COMMENT '结账时的排列次序：并列者先达到者在前；未结账为 0 / order of the rows as of closing: of ties the one that had reached its score first; 0 while the day is not closed',
    closed_reached_at DateTime64(3, 'UTC') COMMENT '结账时：达到其加粉数的时间；未结账为 1970 / when its adds as of closing were reached; 1970 while the day is not closed',
    adjusted_adds Int64 COMMENT '结账后的加粉调整 / adds now minus as of closing; 0 while the day is not closed',
    adjusted_qualified_adds Int64 COMMENT '结账后的合格加粉调整 / qualified adds now minus as of closing',
    closed_staff_active UInt32 COMMENT '结账时所知的在职员工数：结账时人均＝(adds−adjusted_adds)÷此数；未结账为 0 / active members of staff as known at closing: per head as of closing is adds minus adjusted_adds over these; 0 while the day is not closed',
    closed_target UInt64 COMMENT '结账时的加粉目标：结账时达成率＝(adds−adjusted_adds)÷此数；当时未设或未结账为 0，事后补发不算 / target of adds as of closing: the share reached as of closing is adds minus adjusted_adds over it; 0 if none was set by then, whatever was published later, or while the day is not closed'
)
AS
SELECT
    b.corp_id AS corp_id, b.business_date AS business_date, b.level AS level, b.id AS id, b.name AS name,
    b.adds AS adds, b.net_adds AS net_adds, b.qualified AS qualified_adds, b.final AS qualified_final,
    toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC)) AS rank,
    count() OVER (PARTITION BY b.corp_id, b.business_date, b.level, b.adds) > 1 AS is_tied,
    toUInt32(row_number() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC, b.reached_at ASC, b.id ASC)) AS place,
    b.reached_at AS reached_at, b.hour_ago AS adds_hour_ago,
    -- Who shared the last rank with everybody, with no add, has neither risen nor fallen.
    if(b.hour_ago > 0, toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.hour_ago DESC)), 0) AS rank_hour_ago,
    b.heads AS staff_active, b.goal AS target, b.closed AS is_closed,
    if(b.closed, toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.closed_adds DESC)), 0) AS closed_rank,
    if(b.closed, toUInt32(row_number() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.closed_adds DESC, b.closed_reached_at ASC, b.id ASC)), 0) AS closed_place,
    b.closed_reached_at AS closed_reached_at,
    if(b.closed, toInt64(b.adds) - toInt64(b.closed_adds), 0) AS adjusted_adds,
    if(b.closed, toInt64(b.final) - toInt64(b.closed_qualified), 0) AS adjusted_qualified_adds,
    b.closed_heads AS closed_staff_active, b.closed_goal AS closed_target
-- One union and not a join for each: planning those took longer than answering them.
FROM (
    SELECT
        corp_id, business_date, level, id,
        sum(c.events) AS events, sum(c.adds) AS adds, sum(c.net_adds) AS net_adds, max(c.last_add_at) AS reached_at,
        if(max(c.is_past), adds, sum(c.adds_hour_ago)) AS hour_ago, sum(c.qualified) AS qualified, sum(c.final) AS final,
        -- A day is closed for all of its places, also for one of which the first record has just come.
        max(max(c.is_closed)) OVER (PARTITION BY corp_id, business_date) AS closed, sum(c.closed_adds) AS closed_adds, sum(c.closed_qualified) AS closed_qualified,
        max(c.name) AS name, max(c.staff_active) AS heads, max(c.target) AS goal,
        max(c.closed_staff_active) AS closed_heads, max(c.closed_target) AS closed_goal,
        max(c.closed_reached_at) AS closed_reached_at
    FROM (
        SELECT
            corp_id, business_date, toLowCardinality(place.1) AS level, place.2 AS id, events, adds, net_adds, last_add_at, adds_hour_ago, is_past,
            qualified, final, is_closed, closed_adds, closed_qualified, '' AS name, toUInt32(0) AS staff_active, toUInt64(0) AS target,
            toUInt32(0) AS closed_staff_active, toUInt64(0) AS closed_target, closed_reached_at
        FROM (
            SELECT
                corp_id, business_date, region_id, store_id, staff_id, toUInt64(events) AS events, adds,
                toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff) AS net_adds, last_add_at,
                toUInt64(0) AS adds_hour_ago, false AS is_past, toUInt64(0) AS qualified, toUInt64(0) AS final,
                false AS is_closed, toUInt64(0) AS closed_adds, toUInt64(0) AS closed_qualified,
                toDateTime64(0, 3, 'UTC') AS closed_reached_at
            FROM counts_1d_board_registers FINAL
            WHERE channel = ''
            SETTINGS do_not_merge_across_partitions_select_final = 1
            UNION ALL
            -- Of a closed day also who has nothing left of it.
            SELECT
                corp_id, business_date, region_id, store_id, staff_id, toUInt64(closed_adds + closed_qualified_adds > 0), 0, 0,
                toDateTime64(0, 3, 'UTC'), adds_hour_ago, is_past, qualified_adds, qualified_final, is_closed, closed_adds, closed_qualified_adds, closed_reached_at
            FROM leaderboard_rows FINAL
            SETTINGS do_not_merge_across_partitions_select_final = 1
        )
        ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
        WHERE place.2 != ''
        UNION ALL
        SELECT
            corp_id, business_date, level, id, 0, 0, 0, toDateTime64(0, 3, 'UTC'), 0, false, 0, 0, false, 0, 0,
            name, staff_active, target, closed_staff_active, closed_target, toDateTime64(0, 3, 'UTC')
        FROM place_rows FINAL
        SETTINGS do_not_merge_across_partitions_select_final = 1
    ) AS c
    GROUP BY corp_id, business_date, level, id
    HAVING events > 0
) AS b
COMMENT 'ADS 日榜：大区、门店、员工 / leaderboard of the day by region, store and staff';

CREATE VIEW v_targets (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    level LowCardinality(String) COMMENT '层级 staff/store/region/corp / level: staff, store, region or corp',
    id String COMMENT '对象；corp 层为企业 / id at that level; of the level corp the corp itself',
    metric LowCardinality(String) COMMENT '指标 adds/net_adds/qualified_adds / metric: adds, net_adds or qualified_adds',
    target UInt64 COMMENT '目标值（达成率的分母）；结账后撤销者为 0 / target: denominator of the share reached; 0 of one that was withdrawn after closing',
    value Int64 COMMENT '当前值（达成率的分子）；未知指标为 0 / value so far: its numerator; 0 for any other metric',
    closed_target UInt64 COMMENT '结账时的目标值（结账时达成率的分母）；未结账或当时未设为 0，事后补发不算 / target as of closing: denominator of the share reached as of closing; 0 while the day is not closed, or if none was set by then, whatever was published later',
    closed_value Int64 COMMENT '结账时的值（结账时达成率的分子）；未结账为 0 / value as of closing: its numerator; 0 while the day is not closed'
)
AS
SELECT
    t.corp_id AS corp_id, t.business_date AS business_date, t.level AS level, t.id AS id, t.metric AS metric,
    t.target AS target, v.value AS value, t.closed_target AS closed_target, v.closed_value AS closed_value
FROM (
    SELECT corp_id, business_date, level, id, metric, sum(g.target) AS target, sum(g.closed_target) AS closed_target
    FROM (
        SELECT corp_id, business_date, toString(level) AS level, id, toString(metric) AS metric, target, toUInt64(0) AS closed_target
        FROM dim_target
        UNION ALL
        SELECT corp_id, business_date, toString(level), id, toString(goal.1), 0, goal.2
        FROM closed_place_rows FINAL
        ARRAY JOIN CAST(targets, 'Array(Tuple(String, UInt64))') AS goal
        WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
        SETTINGS do_not_merge_across_partitions_select_final = 1
    ) AS g
    GROUP BY corp_id, business_date, level, id, metric
) AS t
LEFT JOIN (
    SELECT corp_id, business_date, level, id, part.1 AS metric, part.2 AS value, part.3 AS closed_value
    FROM (
        SELECT
            corp_id, business_date, place.1 AS level, place.2 AS id,
            sum(c.adds) AS adds, sum(c.net_adds) AS net_adds, sum(c.qualified_adds) AS qualified_adds,
            sum(c.closed_adds) AS closed_adds, sum(c.closed_net) AS closed_net, sum(c.closed_qualified) AS closed_qualified
        FROM (
            SELECT
                corp_id, business_date, region_id, store_id, staff_id, toInt64(adds) AS adds,
                toInt64(adds) - toInt64(deletes_by_customer) - toInt64(deletes_by_staff) AS net_adds, toInt64(0) AS qualified_adds,
                toInt64(0) AS closed_adds, toInt64(0) AS closed_net, toInt64(0) AS closed_qualified
            FROM v_counts_1d_staff
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, toInt64(qualified_adds), 0, 0, 0
            FROM v_qualified_adds_1d
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, 0, 0, 0, toInt64(adds), net_adds, toInt64(qualified_adds)
            FROM closed_rows FINAL
            WHERE (corp_id, business_date, run) IN (SELECT corp_id, business_date, run FROM v_closings)
            SETTINGS do_not_merge_across_partitions_select_final = 1
        ) AS c
        ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id), ('corp', toString(corp_id))] AS place
        GROUP BY corp_id, business_date, level, id
    )
    ARRAY JOIN [('adds', adds, closed_adds), ('net_adds', net_adds, closed_net), ('qualified_adds', qualified_adds, closed_qualified)] AS part
) AS v ON v.corp_id = t.corp_id AND v.business_date = t.business_date AND v.level = t.level AND v.id = t.id AND v.metric = t.metric
COMMENT 'ADS 目标与达成：现在与结账时 / targets and what is reached, now and as of closing';
