-- What was fixed when the database was created.

-- sharding: rand()
CREATE TABLE settings (
    name String COMMENT '名称 / name of the setting',
    value String COMMENT '取值 / its value',
    set_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间 / when it was set'
)
ENGINE = ReplacingMergeTree(set_at)
ORDER BY (name)
COMMENT '建库时固定的参数（chunk_bits 等） / settings fixed when the database was created, such as chunk_bits';
