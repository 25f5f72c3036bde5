-- What `yinliu refresh` has done, and how far: figures that are computed from facts after they came in (OPS).

-- sharding: cityHash64(corp_id, customer_id)
CREATE TABLE refresh_queue (
    run UInt64 COMMENT '本次刷新编号（微秒） / number of the run: microseconds of its beginning',
    batch UInt32 COMMENT '批次；4294967295 仅表示刷新仍在进行 / batch of customers that are computed together; 4294967295 only tells that the run goes on',
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data',
    queued_at DateTime('UTC') DEFAULT now() COMMENT '入队时间 / when it was queued'
)
ENGINE = MergeTree
PARTITION BY toDate(queued_at)
ORDER BY (run, batch, corp_id, customer_id)
TTL queued_at + INTERVAL 1 DAY
SETTINGS ttl_only_drop_parts = 1
COMMENT '刷新中的客户；保留：1 天 / customers whose episodes a run computes; kept: 1 day';

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE refresh_positions (
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    next_offset UInt64 COMMENT '此位点之前的事实均已刷新 / facts below this offset are refreshed',
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间 / when the row was written'
)
ENGINE = ReplacingMergeTree(next_offset)
ORDER BY (src_topic, src_partition)
COMMENT '各分区刷新到哪里；保留：永久 / how far the facts of each partition are refreshed; kept: for ever';

-- sharding: cityHash64(run)
CREATE TABLE refresh_runs (
    run UInt64 COMMENT '本次刷新编号（微秒） / number of the run: microseconds of its beginning',
    began_at DateTime64(3, 'UTC') COMMENT '开始时间（服务器时钟） / when it began, by the clock of the server',
    finished_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '完成时间 / when it was finished',
    complete_through DateTime64(3, 'UTC') COMMENT '此刻之前代理持有的记录均已反映 / every record that the brokers held by then is in the figures',
    customers UInt64 COMMENT '重算的客户数 / customers that were computed again',
    days UInt64 COMMENT '重算的（企业，业务日）数 / pairs of corp and day that were computed again',
    rules UInt16 COMMENT '规则代次 / generation of the rules'
)
ENGINE = MergeTree
ORDER BY (run)
TTL toDateTime(finished_at) + INTERVAL 90 DAY
COMMENT '完成的刷新；保留：90 天 / runs that were finished; kept: 90 days';
