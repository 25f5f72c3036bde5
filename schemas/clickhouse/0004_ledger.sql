-- What is in, up to which offset, and how fresh the figures are (OPS).

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE ledger (
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_chunk UInt64 COMMENT '来源分块（位点右移） / chunk of offsets of the partition',
    next_offset UInt64 COMMENT '下一条待读位点（含空洞） / next offset to read, gaps included',
    received UInt64 COMMENT '收到的记录数 / records received',
    rejected UInt64 COMMENT '拒收 / of these refused',
    duplicate UInt64 COMMENT '重复 / of these duplicates',
    counted UInt64 COMMENT '计数 / of these counted',
    generation UInt16 COMMENT '对账代次 / generation, raised by reconcile',
    fold UInt16 COMMENT '计数规则版本 / version of the rules of counting',
    first_date Date COMMENT '最早业务日（无则 1970-01-01） / earliest business day counted; 1970-01-01 if none',
    last_date Date COMMENT '最晚业务日 / latest business day counted',
    topic_id String COMMENT '主题唯一标识；未知为空 / id of the topic; empty if the broker tells none',
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间（服务器时钟） / when the row was written, by the clock of the server',
    version UInt64 COMMENT '代次与位点，大者为准 / generation << 48 | offset below which the row is complete; the largest holds'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (src_topic, src_partition, src_chunk)
COMMENT '分块账本（物理表，请读视图 chunks）；保留：永久 / ledger of chunks: physical table, read the view chunks; kept: for ever';

CREATE VIEW chunks (
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_chunk UInt64 COMMENT '来源分块（位点右移） / chunk of offsets of the partition',
    next_offset UInt64 COMMENT '下一条待读位点（含空洞） / next offset to read, gaps included',
    received UInt64 COMMENT '收到的记录数 / records received',
    rejected UInt64 COMMENT '拒收 / of these refused',
    duplicate UInt64 COMMENT '重复 / of these duplicates',
    counted UInt64 COMMENT '计数 / of these counted',
    generation UInt16 COMMENT '对账代次 / generation, raised by reconcile',
    fold UInt16 COMMENT '计数规则版本 / version of the rules of counting',
    first_date Date COMMENT '最早业务日（无则 1970-01-01） / earliest business day counted; 1970-01-01 if none',
    last_date Date COMMENT '最晚业务日 / latest business day counted',
    topic_id String COMMENT '主题唯一标识；未知为空 / id of the topic; empty if the broker tells none',
    updated_at DateTime64(3, 'UTC') COMMENT '写入时间（服务器时钟） / when the row was written, by the clock of the server'
)
AS
SELECT
    src_topic, src_partition, src_chunk, next_offset, received, rejected, duplicate, counted, generation, fold, first_date, last_date, topic_id, updated_at
FROM ledger FINAL
COMMENT '账本：每个分块读到哪里、收到/拒收/重复/计数各多少（收到=三者之和） / ledger: how far each chunk is read; received = rejected + duplicate + counted';

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE progress (
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    complete_through DateTime64(3, 'UTC') COMMENT '此刻之前代理持有的记录均已计入 / every record that the brokers held by then is counted',
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间 / when the row was written'
)
ENGINE = ReplacingMergeTree(complete_through)
ORDER BY (src_topic, src_partition)
COMMENT '各分区完整至何时（物理表，请读视图 v_freshness）；保留：永久 / how far each partition is complete: physical table, read v_freshness; kept: for ever';

-- sharding: cityHash64(corp_id)
CREATE TABLE corp_activity (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    last_event_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT '最近事件发生时间 / latest occurred_at counted'
)
ENGINE = AggregatingMergeTree
ORDER BY (corp_id)
COMMENT '各企业最近事件（物理表，请读视图 v_freshness）；保留：永久 / latest event of each corp: physical table, read v_freshness; kept: for ever';

CREATE VIEW v_complete_through (
    complete_through DateTime64(3, 'UTC') COMMENT '数据完整至（所有输入分区的最小值） / every record that the brokers held by then, in every input partition, is in the views',
    over_through Date COMMENT '此日及之前的业务日在所有时区均已结束 / every business day up to this one is over by then, in whatever zone'
)
AS
WITH (SELECT splitByChar(',', argMax(s.value, s.set_at)) FROM settings AS s WHERE s.name = 'input_topics') AS topics
SELECT
    min(p.complete_through) AS complete_through,
    -- A business day is over half a day after its midnight in UTC at the latest.
    toDate(greatest(complete_through, toDateTime64(129600, 3, 'UTC')) - INTERVAL 36 HOUR) AS over_through
FROM progress AS p FINAL
-- A topic that was taken out of the configuration is no longer advanced, and holds nothing back.
WHERE topics = [''] OR has(topics, p.src_topic)
COMMENT '数据完整至 / the instant through which everything is counted';

CREATE VIEW v_freshness (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    complete_through DateTime64(3, 'UTC') COMMENT '数据完整至 / every record that the brokers held by then is in the views',
    last_event_at DateTime64(3, 'UTC') COMMENT '最近事件发生时间 / latest occurred_at counted',
    lag_seconds UInt32 COMMENT '滞后秒数 / seconds behind, never negative'
)
AS
SELECT
    corp_id,
    (SELECT t.complete_through FROM v_complete_through AS t) AS complete_through,
    max(a.last_event_at) AS last_event_at,
    toUInt32(intDiv(greatest(0, dateDiff('millisecond', complete_through, now64(3))), 1000)) AS lag_seconds
FROM corp_activity AS a
GROUP BY corp_id
COMMENT '数据新鲜度：每个企业一行 / freshness: one row for each corp that was ever counted';
