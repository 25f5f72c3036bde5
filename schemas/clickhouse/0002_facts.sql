-- Counted records, one row each (DWD; fct). What differs from row to row is packed by ZSTD: three fifths of the bytes that LZ4
-- leaves (`benches/README.md`), for what is read seldom and kept for ever.

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE facts (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    type LowCardinality(String) COMMENT '事件类型 / type of the event',
    staff_id String COMMENT '员工；touch 类可为空 / member of staff; may be empty on touch events',
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_offset UInt64 COMMENT '来源位点 / offset of the record' CODEC(ZSTD(1)),
    schema UInt32 DEFAULT 1 COMMENT '载荷版本 / version of the payload',
    event_id String COMMENT '事件标识（重复投递不变） / identity of the event, the same for every delivery' CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') COMMENT '发生时间 / when it happened' CODEC(ZSTD(1)),
    recorded_at DateTime64(3, 'UTC') COMMENT '写入 Kafka 的时间 / timestamp of the record in Kafka' CODEC(ZSTD(1)),
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data' CODEC(ZSTD(1)),
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    channel_group LowCardinality(String) COMMENT '计数时渠道所属分组（transfer 组的添加算转入） / group of the channel when it was counted: adds in the group transfer are transfers',
    channel_given LowCardinality(Nullable(String)) COMMENT '原样给出的 channel；未给为 NULL / channel as it came; NULL if absent',
    state String COMMENT '平台带回的渠道码；未给为空 / channel code as the platform delivered it; empty if absent' CODEC(ZSTD(1)),
    add_way Nullable(Int64) COMMENT '平台添加方式代码；未给为 NULL / code of the platform for the way of adding; NULL if absent',
    campaign_id LowCardinality(String) COMMENT '活动；未给为空 / campaign; empty if absent',
    direction LowCardinality(String) COMMENT '申请方向 in 或 out；其他类型为空 / who asked: in is the customer, out the staff; empty on other types',
    count UInt32 COMMENT '该记录代表的次数 / deliveries that the record stands for',
    auto Bool COMMENT '是否机器发送 / sent by a machine',
    order_id String COMMENT '订单号；非订单为空 / order; empty on other types' CODEC(ZSTD(1)),
    amount_fen Nullable(UInt64) COMMENT '金额（分）；非订单为 NULL / amount in 1/100 of the currency; NULL on other types',
    currency LowCardinality(String) COMMENT '适用币种；非订单为空 / currency that applied; empty on other types',
    task_id String COMMENT '群发任务；非群发为空 / broadcast task; empty on other types',
    task_name String COMMENT '群发任务名；未给为空 / name of the task; empty if absent' CODEC(ZSTD(1)),
    audience Nullable(UInt64) COMMENT '群发人数；非群发为 NULL / audience of the broadcast; NULL on other types',
    extra String COMMENT '其余字段（JSON 对象） / all other fields of the record, as one JSON object' CODEC(ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间（服务器时钟）；对账、遗忘后为改写时间 / when the row was inserted, by the clock of the server; of one that was corrected or forgotten, when that was' CODEC(ZSTD(1)),
    is_duplicate Bool DEFAULT false COMMENT '对账判定的重复 / found to be a duplicate by reconcile',
    version UInt64 DEFAULT 0 COMMENT '对账代次，新的覆盖旧的 / generation of reconcile; the larger replaces',
    INDEX ingested ingested_at TYPE minmax GRANULARITY 1,
    INDEX offsets src_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
PRIMARY KEY (corp_id, business_date, type, staff_id)
ORDER BY (corp_id, business_date, type, staff_id, src_topic, src_partition, src_offset)
COMMENT '事实明细（物理表，请读视图 events）；保留：永久，可自设 TTL（deploy/README.md）；被遗忘的客户只留类型、时间、员工、归属、渠道、金额 / counted records: physical table, read the view events; kept: for ever, unless a TTL is set (deploy/README.md); of a forgotten customer type, times, staff, place, channel and amount stay';

CREATE VIEW events (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    type LowCardinality(String) COMMENT '事件类型 / type of the event',
    staff_id String COMMENT '员工；touch 类可为空 / member of staff; may be empty on touch events',
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_offset UInt64 COMMENT '来源位点 / offset of the record',
    schema UInt32 COMMENT '载荷版本 / version of the payload',
    event_id String COMMENT '事件标识（重复投递不变） / identity of the event, the same for every delivery',
    occurred_at DateTime64(3, 'UTC') COMMENT '发生时间 / when it happened',
    recorded_at DateTime64(3, 'UTC') COMMENT '写入 Kafka 的时间 / timestamp of the record in Kafka',
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    channel_group LowCardinality(String) COMMENT '计数时渠道所属分组（transfer 组的添加算转入） / group of the channel when it was counted: adds in the group transfer are transfers',
    channel_given LowCardinality(Nullable(String)) COMMENT '原样给出的 channel；未给为 NULL / channel as it came; NULL if absent',
    state String COMMENT '平台带回的渠道码；未给为空 / channel code as the platform delivered it; empty if absent',
    add_way Nullable(Int64) COMMENT '平台添加方式代码；未给为 NULL / code of the platform for the way of adding; NULL if absent',
    campaign_id LowCardinality(String) COMMENT '活动；未给为空 / campaign; empty if absent',
    direction LowCardinality(String) COMMENT '申请方向 in 或 out；其他类型为空 / who asked: in is the customer, out the staff; empty on other types',
    count UInt32 COMMENT '该记录代表的次数 / deliveries that the record stands for',
    auto Bool COMMENT '是否机器发送 / sent by a machine',
    order_id String COMMENT '订单号；非订单为空 / order; empty on other types',
    amount_fen Nullable(UInt64) COMMENT '金额（分）；非订单为 NULL / amount in 1/100 of the currency; NULL on other types',
    currency LowCardinality(String) COMMENT '适用币种；非订单为空 / currency that applied; empty on other types',
    task_id String COMMENT '群发任务；非群发为空 / broadcast task; empty on other types',
    task_name String COMMENT '群发任务名；未给为空 / name of the task; empty if absent',
    audience Nullable(UInt64) COMMENT '群发人数；非群发为 NULL / audience of the broadcast; NULL on other types',
    extra String COMMENT '其余字段（JSON 对象） / all other fields of the record, as one JSON object',
    ingested_at DateTime64(3, 'UTC') COMMENT '入库时间（服务器时钟）；对账、遗忘后为改写时间 / when the row was inserted, by the clock of the server; of one that was corrected or forgotten, when that was'
)
AS
SELECT
    corp_id, business_date, type, staff_id, src_topic, src_partition, src_offset, schema, event_id, occurred_at, recorded_at, customer_id, region_id, store_id, channel, channel_group, channel_given, state, add_way, campaign_id, direction, count, auto, order_id, amount_fen, currency, task_id, task_name, audience, extra, ingested_at
FROM facts FINAL
WHERE NOT is_duplicate
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWD 事实：每条被计数的记录一行，已去重；金额单位分 / fct: one row for each counted record, duplicates taken out';
