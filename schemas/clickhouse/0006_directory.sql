-- Who works where, what a code means, targets and contests, each with its times (DIM).

-- sharding: cityHash64(corp_id)
CREATE TABLE org_log (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    staff_id String COMMENT '员工 / member of staff',
    staff_name String COMMENT '员工姓名 / name of the member of staff',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称 / name of the store',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    active Bool COMMENT '是否在职（仅影响看板） / still at work; concerns boards only',
    valid_from DateTime64(3, 'UTC') COMMENT '生效时间；默认发布时间 / from when it holds; its publication by default',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间 / when the row was inserted'
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (corp_id, staff_id, published_at, src_partition, src_offset)
COMMENT '组织变更（物理表）；保留：永久 / changes of the organisation: physical table; kept: for ever';

CREATE VIEW org_history (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    staff_id String COMMENT '员工 / member of staff',
    staff_name String COMMENT '员工姓名 / name of the member of staff',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称 / name of the store',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    active Bool COMMENT '是否在职（仅影响看板） / still at work; concerns boards only',
    valid_from DateTime64(3, 'UTC') COMMENT '生效时间；默认发布时间 / from when it holds; its publication by default',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row'
)
AS
SELECT
    corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, active, valid_from, removed, published_at, src_partition, src_offset
FROM org_log FINAL
COMMENT 'DIM 组织变更 / changes of the organisation';

-- Of the rows of one member the one with the latest `valid_from` up to a moment holds, of equal ones the later published;
-- the first one is valid from the beginning of time. So members stand where events of that moment count, by all that was
-- published since.
CREATE VIEW dim_staff_history (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    staff_id String COMMENT '员工 / member of staff',
    staff_name String COMMENT '姓名 / name',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称 / name of the store',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    is_active Bool COMMENT '是否在职 / whether active',
    valid_from DateTime64(3, 'UTC') COMMENT '自何时起如此；最早一条为 1970 / since when it is so; 1970 of the first row',
    valid_to DateTime64(3, 'UTC') COMMENT '至何时为止（不含）；仍有效为 2299-12-31 / until when, exclusive; 2299-12-31 where it still holds',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record'
)
AS
SELECT
    corp_id, staff_id, row.3.2 AS staff_name, row.3.3 AS store_id, row.3.4 AS store_name, row.3.5 AS region_id, row.3.6 AS region_name,
    row.3.7 AS is_active, row.1 AS valid_from, valid_to, row.2.1 AS published_at
FROM (
    -- Arrays and not windows: half the time of planning every view that stands on this one.
    SELECT
        corp_id, staff_id,
        min((o.published_at, o.src_partition, o.src_offset)) AS first,
        arraySort(arrayMap(r -> (if(r.2 = first, toDateTime64(0, 3, 'UTC'), r.1), r.2, r.3), groupArray((
            o.valid_from, (o.published_at, o.src_partition, o.src_offset),
            (o.removed, o.staff_name, o.store_id, o.store_name, o.region_id, o.region_name, o.active)
        )))) AS rows,
        arrayPushBack(arrayPopFront(rows.1), toDateTime64('2299-12-31 00:00:00', 3, 'UTC')) AS ends
    FROM org_log AS o FINAL
    GROUP BY corp_id, staff_id
)
ARRAY JOIN rows AS row, ends AS valid_to
WHERE row.1 < valid_to AND NOT row.3.1
COMMENT 'DIM 员工沿革（缓慢变化维，类型2）：每段有效期一行 / members of staff as a slowly changing dimension of type 2: one row for each span';

CREATE VIEW dim_headcount (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    level LowCardinality(String) COMMENT '层级 region/store/staff / level: region, store or staff',
    id String COMMENT '对象 / id at that level',
    name String COMMENT '名称（当前）；员工所记不一时取最新 / name as of now; of several the newest',
    changes Array(Tuple(at DateTime64(3, 'UTC'), change Int8)) COMMENT '在职员工数的每次增减（次序不定）：某时刻的人数为 arraySum(c -> if(c.at <= 时刻, c.change, 0), changes) / each change of the number of active members of staff, in no order: as of a moment there are arraySum(c -> if(c.at <= moment, c.change, 0), changes)'
)
AS
SELECT
    corp_id, place.1 AS level, place.2 AS id,
    argMaxIf(place.3, (s.published_at, s.valid_from, s.staff_id), s.valid_from <= now64(3)) AS name,
    groupArrayArrayIf([(s.valid_from, toInt8(1)), (s.valid_to, toInt8(-1))], s.is_active) AS changes
FROM dim_staff_history AS s
ARRAY JOIN [('region', toString(region_id), region_name), ('store', toString(store_id), store_name), ('staff', staff_id, staff_name)] AS place
WHERE place.2 != ''
GROUP BY corp_id, level, id
COMMENT 'DIM 大区、门店、员工的名称与在职员工数沿革 / regions, stores and members of staff: names, and how many active members they had when';

-- sharding: cityHash64(corp_id)
CREATE TABLE channel_log (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    state String COMMENT '渠道码 / channel code',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    campaign_id LowCardinality(String) COMMENT '活动 / campaign',
    label String COMMENT '名称 / label of the code',
    group LowCardinality(String) COMMENT '渠道分组；非空则登记新键 / group of the channel; not empty: the key becomes one of the corp',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间 / when the row was inserted'
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (corp_id, state, published_at, src_partition, src_offset)
COMMENT '渠道码变更（物理表）；保留：永久 / changes of channel codes: physical table; kept: for ever';

CREATE VIEW channel_history (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    state String COMMENT '渠道码 / channel code',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    campaign_id LowCardinality(String) COMMENT '活动 / campaign',
    label String COMMENT '名称 / label of the code',
    group LowCardinality(String) COMMENT '渠道分组；非空则登记新键 / group of the channel; not empty: the key becomes one of the corp',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row'
)
AS
SELECT
    corp_id, state, channel, campaign_id, label, group, removed, published_at, src_partition, src_offset
FROM channel_log FINAL
COMMENT 'DIM 渠道码变更 / changes of channel codes';

-- sharding: cityHash64(corp_id)
CREATE TABLE target_log (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    level LowCardinality(String) COMMENT '层级 staff/store/region/corp / level: staff, store, region or corp',
    id String COMMENT '对象 / id at that level',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    metric LowCardinality(String) COMMENT '指标 / metric',
    target UInt64 COMMENT '目标值 / target',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间 / when the row was inserted'
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (corp_id, level, id, business_date, published_at, src_partition, src_offset)
COMMENT '目标变更（物理表）；保留：永久 / changes of targets: physical table; kept: for ever';

CREATE VIEW targets_history (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    level LowCardinality(String) COMMENT '层级 staff/store/region/corp / level: staff, store, region or corp',
    id String COMMENT '对象 / id at that level',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    metric LowCardinality(String) COMMENT '指标 / metric',
    target UInt64 COMMENT '目标值 / target',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row'
)
AS
SELECT
    corp_id, level, id, business_date, metric, target, removed, published_at, src_partition, src_offset
FROM target_log FINAL
COMMENT 'DIM 目标变更 / changes of targets';

CREATE VIEW dim_target (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    level LowCardinality(String) COMMENT '层级 staff/store/region/corp / level: staff, store, region or corp',
    id String COMMENT '对象；corp 层为企业 / id at that level; of the level corp the corp itself',
    metric LowCardinality(String) COMMENT '指标；主题的删除撤销当日该对象的全部指标，文件的只撤销一个 / metric; a removal of the topic withdraws all metrics of the day and id, one of a file its own alone',
    target UInt64 COMMENT '目标值 / target'
)
AS
SELECT
    corp_id, business_date, level, if(level = 'corp', toString(corp_id), t.id) AS id, metric,
    argMax(t.target, (t.published_at, t.src_offset)) AS target
FROM (
    SELECT
        *,
        maxIf((g.published_at, g.src_offset), g.removed AND g.metric = '') OVER (PARTITION BY corp_id, business_date, level, id) AS withdrawn
    FROM targets_history AS g
) AS t
GROUP BY corp_id, business_date, level, id, metric
HAVING NOT argMax(t.removed, (t.published_at, t.src_offset)) AND max((t.published_at, t.src_offset)) > any(t.withdrawn)
COMMENT 'DIM 目标（当前） / targets as of now';

-- sharding: cityHash64(corp_id)
CREATE TABLE contest_log (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    contest_id String COMMENT '比赛 / contest',
    name String COMMENT '名称 / name',
    level LowCardinality(String) COMMENT '层级 / level',
    ids Array(String) COMMENT '参赛对象 / ids that take part',
    metric LowCardinality(String) COMMENT '指标 / metric',
    basis LowCardinality(String) COMMENT '口径 total 或 per_head / basis: total or per_head',
    starts_at DateTime64(3, 'UTC') COMMENT '开始 / start',
    ends_at DateTime64(3, 'UTC') COMMENT '结束 / end',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间 / when the row was inserted'
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (corp_id, contest_id, published_at, src_partition, src_offset)
COMMENT '比赛变更（物理表）；保留：永久 / changes of contests: physical table; kept: for ever';

CREATE VIEW contests_history (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    contest_id String COMMENT '比赛 / contest',
    name String COMMENT '名称 / name',
    level LowCardinality(String) COMMENT '层级 / level',
    ids Array(String) COMMENT '参赛对象 / ids that take part',
    metric LowCardinality(String) COMMENT '指标 / metric',
    basis LowCardinality(String) COMMENT '口径 total 或 per_head / basis: total or per_head',
    starts_at DateTime64(3, 'UTC') COMMENT '开始 / start',
    ends_at DateTime64(3, 'UTC') COMMENT '结束 / end',
    removed Bool COMMENT '是否删除 / a removal: all fields empty',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the row; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the row'
)
AS
SELECT
    corp_id, contest_id, name, level, ids, metric, basis, starts_at, ends_at, removed, published_at, src_partition, src_offset
FROM contest_log FINAL
COMMENT 'DIM 比赛变更 / changes of contests';
