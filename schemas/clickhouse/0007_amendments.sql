-- Corrections, each with what stood before (written by reconcile).

-- sharding: cityHash64(corp_id)
CREATE TABLE amendments (
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
    recorded_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '更正时间 / when it was corrected'
)
ENGINE = MergeTree
ORDER BY (corp_id, business_date, recorded_at)
COMMENT '更正记录：何时、哪一天、哪个键、前后各多少、为何 / corrections: when, which day, which key, before, after, why';
