-- What was fixed when the database was created, and what its pipeline reads (OPS).

-- sharding: rand()
CREATE TABLE settings (
    name String COMMENT '名称 / name of the setting',
    value String COMMENT '取值 / its value',
    set_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间 / when it was set'
)
ENGINE = ReplacingMergeTree(set_at)
ORDER BY (name)
COMMENT '建库时固定的参数（chunk_bits），及最近启动的管道的输入主题；保留：永久 / what was fixed when the database was created (chunk_bits), and the input topics of the pipeline that started last; kept: for ever';

-- sharding: cityHash64(topic)
CREATE TABLE incarnations (
    topic LowCardinality(String) COMMENT '主题 / topic',
    incarnation UInt32 COMMENT '第几代（首代为1，不入表） / which one of its name; the first is 1 and has no row',
    topic_id String COMMENT '主题唯一标识 / id of the topic',
    adopted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '接管时间 / when it was adopted'
)
ENGINE = ReplacingMergeTree(incarnation)
ORDER BY (topic)
COMMENT '重建后被接管的主题；保留：永久 / topics that were adopted after they were recreated; kept: for ever';
