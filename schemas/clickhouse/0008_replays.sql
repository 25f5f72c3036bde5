-- Dead letters that were sent again (OPS; written by dead-letters replay).

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE dead_letter_replays (
    src_topic LowCardinality(String) COMMENT '来源主题（同 dead_letters） / topic of the refused record, as in dead_letters',
    src_partition UInt32 COMMENT '来源分区 / partition of the refused record',
    src_offset UInt64 COMMENT '来源位点 / offset of the refused record',
    replay_offset UInt64 COMMENT '重投后的位点（同主题同分区） / offset at which it lies now, in the same topic and partition',
    replay_count UInt32 COMMENT '第几次重投（重投后再被拒收则递增） / how often the event was sent again by then; grows where a replay is refused',
    replayed_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '重投时间 / when the brokers had it'
)
ENGINE = ReplacingMergeTree(replayed_at)
ORDER BY (src_topic, src_partition, src_offset)
COMMENT '已重投的拒收记录，防止重复重投；保留：永久 / dead letters that were sent again, so that none is sent twice; kept: for ever';
