-- Corrections, each with what stood before (DWD; fct; written by reconcile).

-- sharding: cityHash64(corp_id)
CREATE TABLE amendment_log (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    reason LowCardinality(String) COMMENT '原因 / why it was corrected',
    metric LowCardinality(String) COMMENT '指标 / metric',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    before Int64 COMMENT '更正前 / figure before',
    after Int64 COMMENT '更正后 / figure after',
    window_start DateTime('UTC') COMMENT '仅更正分钟数值时为该分钟，否则 1970 / the minute, where a figure by minute alone was wrong; else 1970',
    late Bool COMMENT '晚到的记录另存一行 / whether the register is that of late records',
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the register (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the register',
    src_chunk UInt64 COMMENT '来源分块（位点右移） / chunk of offsets of the register',
    generation_before UInt16 COMMENT '被更正行的代次 / generation of the register that was corrected',
    generation UInt16 COMMENT '更正后的代次，同一更正以大者为准 / generation that was written; of a correction that is told again the largest holds',
    recorded_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '更正时间 / when it was corrected'
)
ENGINE = ReplacingMergeTree(generation)
PRIMARY KEY (corp_id, business_date)
ORDER BY (corp_id, business_date, region_id, store_id, staff_id, channel, metric, window_start, late, src_topic, src_partition, src_chunk, generation_before)
COMMENT '更正记录（物理表，请读视图 amendments）；保留：永久 / corrections: physical table, read the view amendments; kept: for ever';

CREATE VIEW amendments (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    reason LowCardinality(String) COMMENT '原因 / why it was corrected',
    metric LowCardinality(String) COMMENT '指标 / metric',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    before Int64 COMMENT '更正前 / figure before',
    after Int64 COMMENT '更正后 / figure after',
    window_start DateTime('UTC') COMMENT '仅更正分钟数值时为该分钟，否则 1970 / the minute, where a figure by minute alone was wrong; else 1970',
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the register (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the register',
    src_chunk UInt64 COMMENT '来源分块（位点右移） / chunk of offsets of the register',
    generation UInt16 COMMENT '更正后的代次 / generation that was written',
    recorded_at DateTime64(3, 'UTC') COMMENT '更正时间 / when it was corrected'
)
AS
SELECT
    corp_id, business_date, reason, metric, region_id, store_id, staff_id, channel, before, after, window_start,
    src_topic, src_partition, src_chunk, generation, recorded_at
FROM amendment_log FINAL
COMMENT '更正记录：何时、哪一天、哪个键、前后各多少、为何 / corrections: when, which day, which key, before, after, why';
