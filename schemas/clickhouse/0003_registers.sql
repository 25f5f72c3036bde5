-- Rollups by minute and by business day (DWS; written by the pipeline alone).
-- The start of a partition looks for the rows of its open chunks, which lie all over a day: by the index `chunks` it read
-- 26 of 245 granules of a day of ten chunks, in place of all.
-- Each record that counts adds to some counter, so a row counts something just where `events` is above 0: the views ask this
-- one column, and a question reads of the others those that it names.

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE counts_1m_registers (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    late Bool COMMENT '记录晚于事件15分钟以上 / the record came more than 15 minutes after the event: kept apart, so that old minutes do not drag the parts of today into every read',
    window_start DateTime('UTC') COMMENT '分钟窗口起点（UTC，左闭右开） / start of the minute [start, start + 60 s), UTC',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_chunk UInt64 COMMENT '来源分块（位点右移） / chunk of offsets of the partition',
    exposures UInt64 COMMENT '曝光次数 / exposures of a code or card',
    scans UInt64 COMMENT '扫码次数 / scans of a code',
    requests_in UInt64 COMMENT '客户发起的好友申请 / friend requests by customers',
    requests_out UInt64 COMMENT '员工发起的好友申请 / friend requests by staff',
    half_adds UInt64 COMMENT '单向添加（漏斗阶段，不算加粉） / one-way adds: a stage of the funnel, not adds',
    adds UInt64 COMMENT '加粉数（不含共享与继承） / friends added, transfers excluded',
    late_adds UInt64 COMMENT '其中记录晚到超过120秒的加粉 / of these, adds whose record came more than 120 s late',
    deletes_by_customer UInt64 COMMENT '客户删除员工（流失） / deletions by the customer: losses',
    deletes_by_staff UInt64 COMMENT '员工删除客户 / deletions by staff',
    transfers_in UInt64 COMMENT '转入（内部共享、继承分配） / transfers in: never an add',
    transfers_out UInt64 COMMENT '转出 / transfers out: never a loss',
    messages_in UInt64 COMMENT '客户发来的消息 / messages from customers',
    messages_out UInt64 COMMENT '员工人工发出的消息 / messages sent by staff in person',
    messages_auto UInt64 COMMENT '自动发出的消息（欢迎语、群发） / messages sent by machine: welcome, broadcast',
    orders UInt64 COMMENT '支付订单数 / orders paid',
    gmv_fen UInt64 COMMENT '支付金额（分） / amount paid, in 1/100 of the currency',
    refunds UInt64 COMMENT '退款笔数 / refunds',
    refund_fen UInt64 COMMENT '退款金额（分） / amount refunded, in 1/100 of the currency',
    broadcasts UInt64 COMMENT '群发任务数 / broadcasts sent',
    events UInt32 COMMENT '计入本行的记录数 / records counted in this row',
    version UInt64 COMMENT '代次与位点，大者为准 / generation << 48 | offset below which the row is complete; the largest holds',
    INDEX chunks (src_topic, src_partition, src_chunk) TYPE set(0) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY (business_date, late)
PRIMARY KEY (corp_id, business_date, late, window_start, region_id, store_id)
ORDER BY (corp_id, business_date, late, window_start, region_id, store_id, staff_id, channel, src_topic, src_partition, src_chunk)
SETTINGS min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT '分钟寄存器（物理表，请读视图）；保留：永久 / minute registers: absolute counts within a chunk; physical table, read the view; kept: for ever';

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE counts_1d_registers (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    late Bool COMMENT '记录晚于事件15分钟以上 / the record came more than 15 minutes after the event: kept apart, so that old minutes do not drag the parts of today into every read',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_chunk UInt64 COMMENT '来源分块（位点右移） / chunk of offsets of the partition',
    exposures UInt64 COMMENT '曝光次数 / exposures of a code or card',
    scans UInt64 COMMENT '扫码次数 / scans of a code',
    requests_in UInt64 COMMENT '客户发起的好友申请 / friend requests by customers',
    requests_out UInt64 COMMENT '员工发起的好友申请 / friend requests by staff',
    half_adds UInt64 COMMENT '单向添加（漏斗阶段，不算加粉） / one-way adds: a stage of the funnel, not adds',
    adds UInt64 COMMENT '加粉数（不含共享与继承） / friends added, transfers excluded',
    late_adds UInt64 COMMENT '其中记录晚到超过120秒的加粉 / of these, adds whose record came more than 120 s late',
    deletes_by_customer UInt64 COMMENT '客户删除员工（流失） / deletions by the customer: losses',
    deletes_by_staff UInt64 COMMENT '员工删除客户 / deletions by staff',
    transfers_in UInt64 COMMENT '转入（内部共享、继承分配） / transfers in: never an add',
    transfers_out UInt64 COMMENT '转出 / transfers out: never a loss',
    messages_in UInt64 COMMENT '客户发来的消息 / messages from customers',
    messages_out UInt64 COMMENT '员工人工发出的消息 / messages sent by staff in person',
    messages_auto UInt64 COMMENT '自动发出的消息（欢迎语、群发） / messages sent by machine: welcome, broadcast',
    orders UInt64 COMMENT '支付订单数 / orders paid',
    gmv_fen UInt64 COMMENT '支付金额（分） / amount paid, in 1/100 of the currency',
    refunds UInt64 COMMENT '退款笔数 / refunds',
    refund_fen UInt64 COMMENT '退款金额（分） / amount refunded, in 1/100 of the currency',
    broadcasts UInt64 COMMENT '群发任务数 / broadcasts sent',
    events UInt32 COMMENT '计入本行的记录数 / records counted in this row',
    version UInt64 COMMENT '代次与位点，大者为准 / generation << 48 | offset below which the row is complete; the largest holds',
    INDEX chunks (src_topic, src_partition, src_chunk) TYPE set(0) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY (business_date, late)
PRIMARY KEY (corp_id, business_date, late, region_id, store_id, staff_id)
ORDER BY (corp_id, business_date, late, region_id, store_id, staff_id, channel, src_topic, src_partition, src_chunk)
SETTINGS min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT '日寄存器（物理表，请读视图）；保留：永久 / day registers: absolute counts within a chunk; physical table, read the view; kept: for ever';

CREATE VIEW v_counts_1m (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    window_start DateTime('UTC') COMMENT '分钟窗口起点（UTC，左闭右开） / start of the minute [start, start + 60 s), UTC',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    exposures UInt64 COMMENT '曝光次数 / exposures of a code or card',
    scans UInt64 COMMENT '扫码次数 / scans of a code',
    requests_in UInt64 COMMENT '客户发起的好友申请 / friend requests by customers',
    requests_out UInt64 COMMENT '员工发起的好友申请 / friend requests by staff',
    half_adds UInt64 COMMENT '单向添加（漏斗阶段，不算加粉） / one-way adds: a stage of the funnel, not adds',
    adds UInt64 COMMENT '加粉数（不含共享与继承） / friends added, transfers excluded',
    late_adds UInt64 COMMENT '其中记录晚到超过120秒的加粉 / of these, adds whose record came more than 120 s late',
    deletes_by_customer UInt64 COMMENT '客户删除员工（流失） / deletions by the customer: losses',
    deletes_by_staff UInt64 COMMENT '员工删除客户 / deletions by staff',
    transfers_in UInt64 COMMENT '转入（内部共享、继承分配） / transfers in: never an add',
    transfers_out UInt64 COMMENT '转出 / transfers out: never a loss',
    messages_in UInt64 COMMENT '客户发来的消息 / messages from customers',
    messages_out UInt64 COMMENT '员工人工发出的消息 / messages sent by staff in person',
    messages_auto UInt64 COMMENT '自动发出的消息（欢迎语、群发） / messages sent by machine: welcome, broadcast',
    orders UInt64 COMMENT '支付订单数 / orders paid',
    gmv_fen UInt64 COMMENT '支付金额（分） / amount paid, in 1/100 of the currency',
    refunds UInt64 COMMENT '退款笔数 / refunds',
    refund_fen UInt64 COMMENT '退款金额（分） / amount refunded, in 1/100 of the currency',
    broadcasts UInt64 COMMENT '群发任务数 / broadcasts sent'
)
AS
SELECT
    corp_id, window_start, business_date, region_id, store_id, staff_id, channel,
    sum(r.exposures) AS exposures,
    sum(r.scans) AS scans,
    sum(r.requests_in) AS requests_in,
    sum(r.requests_out) AS requests_out,
    sum(r.half_adds) AS half_adds,
    sum(r.adds) AS adds,
    sum(r.late_adds) AS late_adds,
    sum(r.deletes_by_customer) AS deletes_by_customer,
    sum(r.deletes_by_staff) AS deletes_by_staff,
    sum(r.transfers_in) AS transfers_in,
    sum(r.transfers_out) AS transfers_out,
    sum(r.messages_in) AS messages_in,
    sum(r.messages_out) AS messages_out,
    sum(r.messages_auto) AS messages_auto,
    sum(r.orders) AS orders,
    sum(r.gmv_fen) AS gmv_fen,
    sum(r.refunds) AS refunds,
    sum(r.refund_fen) AS refund_fen,
    sum(r.broadcasts) AS broadcasts
FROM counts_1m_registers AS r FINAL
WHERE events > 0
GROUP BY corp_id, window_start, business_date, region_id, store_id, staff_id, channel
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 分钟汇总：分钟×大区×门店×员工×渠道 / rollup by minute, region, store, staff and channel; sums add up';

CREATE VIEW v_counts_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    exposures UInt64 COMMENT '曝光次数 / exposures of a code or card',
    scans UInt64 COMMENT '扫码次数 / scans of a code',
    requests_in UInt64 COMMENT '客户发起的好友申请 / friend requests by customers',
    requests_out UInt64 COMMENT '员工发起的好友申请 / friend requests by staff',
    half_adds UInt64 COMMENT '单向添加（漏斗阶段，不算加粉） / one-way adds: a stage of the funnel, not adds',
    adds UInt64 COMMENT '加粉数（不含共享与继承） / friends added, transfers excluded',
    late_adds UInt64 COMMENT '其中记录晚到超过120秒的加粉 / of these, adds whose record came more than 120 s late',
    deletes_by_customer UInt64 COMMENT '客户删除员工（流失） / deletions by the customer: losses',
    deletes_by_staff UInt64 COMMENT '员工删除客户 / deletions by staff',
    transfers_in UInt64 COMMENT '转入（内部共享、继承分配） / transfers in: never an add',
    transfers_out UInt64 COMMENT '转出 / transfers out: never a loss',
    messages_in UInt64 COMMENT '客户发来的消息 / messages from customers',
    messages_out UInt64 COMMENT '员工人工发出的消息 / messages sent by staff in person',
    messages_auto UInt64 COMMENT '自动发出的消息（欢迎语、群发） / messages sent by machine: welcome, broadcast',
    orders UInt64 COMMENT '支付订单数 / orders paid',
    gmv_fen UInt64 COMMENT '支付金额（分） / amount paid, in 1/100 of the currency',
    refunds UInt64 COMMENT '退款笔数 / refunds',
    refund_fen UInt64 COMMENT '退款金额（分） / amount refunded, in 1/100 of the currency',
    broadcasts UInt64 COMMENT '群发任务数 / broadcasts sent'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id, channel,
    sum(r.exposures) AS exposures,
    sum(r.scans) AS scans,
    sum(r.requests_in) AS requests_in,
    sum(r.requests_out) AS requests_out,
    sum(r.half_adds) AS half_adds,
    sum(r.adds) AS adds,
    sum(r.late_adds) AS late_adds,
    sum(r.deletes_by_customer) AS deletes_by_customer,
    sum(r.deletes_by_staff) AS deletes_by_staff,
    sum(r.transfers_in) AS transfers_in,
    sum(r.transfers_out) AS transfers_out,
    sum(r.messages_in) AS messages_in,
    sum(r.messages_out) AS messages_out,
    sum(r.messages_auto) AS messages_auto,
    sum(r.orders) AS orders,
    sum(r.gmv_fen) AS gmv_fen,
    sum(r.refunds) AS refunds,
    sum(r.refund_fen) AS refund_fen,
    sum(r.broadcasts) AS broadcasts
FROM counts_1d_registers AS r FINAL
WHERE events > 0
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 日汇总：业务日×大区×门店×员工×渠道 / rollup by business day, region, store, staff and channel; the sum of the minutes';
