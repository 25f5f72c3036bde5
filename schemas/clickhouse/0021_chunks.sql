-- Rollups as they are kept: a key has a row for each chunk of the source that has events of it (DWS; agg).
-- Whoever adds up anyway reads these: v_counts_1m and v_counts_1d bring each key together first, which takes most of the
-- time of a question about a whole day, and keeps a condition on staff from the reading of the rows. What has no event any
-- more is told by `events` and not by all counters, so that a question reads those alone that it names.

CREATE VIEW v_counts_1m_chunks (
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
    exposures, scans, requests_in, requests_out, half_adds, adds, late_adds, deletes_by_customer, deletes_by_staff, transfers_in, transfers_out, messages_in, messages_out, messages_auto, orders, gmv_fen, refunds, refund_fen, broadcasts
FROM counts_1m_registers FINAL
WHERE events > 0
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
COMMENT 'DWS 分钟汇总（未合并分块）：同一键可有多行，须求和 / rollup by minute before chunks are brought together: a key may have several rows, add them up';

CREATE VIEW v_counts_1d_chunks (
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
    exposures, scans, requests_in, requests_out, half_adds, adds, late_adds, deletes_by_customer, deletes_by_staff, transfers_in, transfers_out, messages_in, messages_out, messages_auto, orders, gmv_fen, refunds, refund_fen, broadcasts
FROM counts_1d_registers FINAL
WHERE events > 0
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
COMMENT 'DWS 日汇总（未合并分块）：同一键可有多行，须求和 / rollup by day before chunks are brought together: a key may have several rows, add them up';
