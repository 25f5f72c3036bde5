-- Leaderboards (ADS).

CREATE VIEW v_qualified_adds_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    qualified_adds UInt64 COMMENT '合格加粉（新客、24小时内未流失未清理；满24小时前为暂定） / new to the corp and neither lost nor purged within 24 h; provisional until 24 h have passed'
)
AS
SELECT
    a.corp_id AS corp_id, a.business_date AS business_date, a.region_id AS region_id, a.store_id AS store_id,
    a.staff_id AS staff_id, a.channel AS channel, count() AS qualified_adds
FROM (
    SELECT
        corp_id, business_date, region_id, store_id, staff_id, channel, customer_id, occurred_at,
        row_number() OVER (PARTITION BY corp_id, customer_id ORDER BY occurred_at, src_topic, src_partition, src_offset) AS episode_in_corp
    FROM events
    WHERE type = 'friend.added'
        AND channel_group != 'transfer'
) AS a
LEFT JOIN (
    SELECT corp_id, staff_id, customer_id, groupArray(occurred_at) AS ends
    FROM events
    WHERE type IN ('friend.deleted_by_customer', 'friend.deleted_by_staff')
    GROUP BY corp_id, staff_id, customer_id
) AS d ON d.corp_id = a.corp_id AND d.staff_id = a.staff_id AND d.customer_id = a.customer_id
WHERE a.episode_in_corp = 1
    AND NOT arrayExists(end -> end >= a.occurred_at AND end < a.occurred_at + INTERVAL 1 DAY, d.ends)
GROUP BY a.corp_id, a.business_date, a.region_id, a.store_id, a.staff_id, a.channel
COMMENT '合格加粉日汇总（由事实即时计算） / qualified adds by day, computed from the facts at each read';

CREATE VIEW v_leaderboard_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    level LowCardinality(String) COMMENT '层级 region/store/staff / level: region, store or staff',
    id String COMMENT '对象 / id at that level',
    name String COMMENT '名称（当前） / name as of now',
    adds UInt64 COMMENT '加粉数 / friends added',
    net_adds Int64 COMMENT '净增=加粉−客户删除−员工删除 / adds minus deletions by customers and by staff',
    qualified_adds UInt64 COMMENT '合格加粉（新客、24小时内未流失未清理；满24小时前为暂定） / new to the corp and neither lost nor purged within 24 h; provisional until 24 h have passed',
    rank UInt32 COMMENT '名次（并列同名次） / rank by adds; ties share it'
)
AS
SELECT
    b.corp_id AS corp_id, b.business_date AS business_date, b.level AS level, b.id AS id, n.name AS name,
    b.adds AS adds, b.net_adds AS net_adds, q.qualified_adds AS qualified_adds,
    toUInt32(rank() OVER (PARTITION BY b.corp_id, b.business_date, b.level ORDER BY b.adds DESC)) AS rank
FROM (
    SELECT
        corp_id, business_date, place.1 AS level, place.2 AS id,
        sum(c.adds) AS adds,
        toInt64(sum(c.adds)) - toInt64(sum(c.deletes_by_customer)) - toInt64(sum(c.deletes_by_staff)) AS net_adds
    FROM v_counts_1d AS c
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    WHERE place.2 != ''
    GROUP BY corp_id, business_date, level, id
) AS b
LEFT JOIN (
    SELECT corp_id, business_date, place.1 AS level, place.2 AS id, sum(v.qualified_adds) AS qualified_adds
    FROM v_qualified_adds_1d AS v
    ARRAY JOIN [('region', toString(region_id)), ('store', toString(store_id)), ('staff', staff_id)] AS place
    GROUP BY corp_id, business_date, level, id
) AS q ON q.corp_id = b.corp_id AND q.business_date = b.business_date AND q.level = b.level AND q.id = b.id
LEFT JOIN (
    SELECT corp_id, place.1 AS level, place.2 AS id, argMax(place.3, (published_at, src_offset)) AS name
    FROM org_history
    ARRAY JOIN [('region', toString(region_id), region_name), ('store', toString(store_id), store_name), ('staff', staff_id, staff_name)] AS place
    WHERE NOT removed AND place.2 != ''
    GROUP BY corp_id, level, id
) AS n ON n.corp_id = b.corp_id AND n.level = b.level AND n.id = b.id
COMMENT 'ADS 日榜：大区、门店、员工 / leaderboard of the day by region, store and staff';
