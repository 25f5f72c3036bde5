-- Refused records, one row each (ODS; stg).

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE dead_letter_log (
    src_topic LowCardinality(String) COMMENT '来源主题 / topic of the record',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_offset UInt64 COMMENT '来源位点 / offset of the record',
    recorded_at DateTime64(3, 'UTC') COMMENT '写入 Kafka 的时间；无则 1970 / timestamp of the record; 1970 if it has none',
    reason LowCardinality(String) COMMENT '拒收原因 / reason of the refusal',
    detail String COMMENT '说明（不含客户标识） / what was wrong; quotes no customer id',
    key String COMMENT '原键 / key of the record',
    value String COMMENT '原值前 64 KiB；可能含个人信息 / first 64 KiB of the value; may hold personal data',
    value_bytes UInt64 COMMENT '原值字节数 / bytes of the whole value',
    headers Array(Tuple(name String, value String)) COMMENT '原消息头 / headers of the record, in order',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间 / when the row was inserted'
)
ENGINE = ReplacingMergeTree(ingested_at)
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (src_topic, src_partition, src_offset)
COMMENT '拒收记录（物理表，请读视图 dead_letters）；保留：永久，可自设 TTL（deploy/README.md）；提到被遗忘客户的删除 / refused records: physical table, read the view dead_letters; kept: for ever, unless a TTL is set (deploy/README.md); those that name a forgotten customer are deleted';

CREATE VIEW dead_letters (
    src_topic LowCardinality(String) COMMENT '来源主题 / topic of the record',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_offset UInt64 COMMENT '来源位点 / offset of the record',
    recorded_at DateTime64(3, 'UTC') COMMENT '写入 Kafka 的时间；无则 1970 / timestamp of the record; 1970 if it has none',
    reason LowCardinality(String) COMMENT '拒收原因 / reason of the refusal',
    detail String COMMENT '说明（不含客户标识） / what was wrong; quotes no customer id',
    key String COMMENT '原键 / key of the record',
    value String COMMENT '原值前 64 KiB；可能含个人信息 / first 64 KiB of the value; may hold personal data',
    value_bytes UInt64 COMMENT '原值字节数 / bytes of the whole value',
    headers Array(Tuple(name String, value String)) COMMENT '原消息头 / headers of the record, in order'
)
AS
SELECT
    src_topic, src_partition, src_offset, recorded_at, reason, detail, key, value, value_bytes, headers
FROM dead_letter_log FINAL
COMMENT '拒收记录：原因、来源与原文 / refused records: reason, origin and bytes';
