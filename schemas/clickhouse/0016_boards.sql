-- Rollups by day for boards (DWS; written by the pipeline alone): a twenty-fifth of the rows of counts_1d_registers, whose
-- unmerged tail is what today's figures cost. A row is of a member of staff (no channel) or of a channel (no store, no
-- staff): `channel = ''` tells them apart, and stands early in the key, so that either kind lies together.

-- sharding: cityHash64(src_topic, src_partition)
CREATE TABLE counts_1d_board_registers (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    late Bool COMMENT '记录晚于事件15分钟以上 / the record came more than 15 minutes after the event: kept apart, so that old minutes do not drag the parts of today into every read',
    channel LowCardinality(String) COMMENT '渠道键（渠道行）；员工行为空 / key of the channel, of a row of a channel; empty in a row of a member of staff',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店（员工行）；未知为空 / store, of a row of a member of staff; empty if unknown',
    staff_id String COMMENT '员工（员工行）；渠道行为空 / member of staff; empty in a row of a channel',
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
    last_add_at DateTime64(3, 'UTC') COMMENT '最近一次加粉的发生时间；无加粉为 1970 / occurred_at of the last add; 1970 without any',
    INDEX chunks (src_topic, src_partition, src_chunk) TYPE set(0) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY (business_date, late)
PRIMARY KEY (corp_id, business_date, late, channel, region_id, store_id, staff_id)
ORDER BY (corp_id, business_date, late, channel, region_id, store_id, staff_id, src_topic, src_partition, src_chunk)
SETTINGS min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT '看板日寄存器：员工不分渠道，渠道不分门店与员工（物理表，请读视图）；保留：永久 / registers by day for boards: staff over all channels, channels over a region; physical table, read the views; kept: for ever';

-- Days before this table existed: sums of absolute counts, under the version of the newest of them, which is exact in closed
-- chunks; the last adds are those of the facts that are left. Of a chunk that is still open the last adds alone, under
-- version 0: its counts follow when the pipeline starts, which writes what it misses.
INSERT INTO counts_1d_board_registers (
    corp_id, business_date, late, region_id, store_id, staff_id, channel, src_topic, src_partition, src_chunk,
    exposures, scans, requests_in, requests_out, half_adds, adds, late_adds, deletes_by_customer, deletes_by_staff, transfers_in, transfers_out, messages_in, messages_out, messages_auto, orders, gmv_fen, refunds, refund_fen, broadcasts,
    events, version, last_add_at
)
WITH
    (SELECT toUInt8OrZero(extract(argMax(s.value, s.set_at), ', (\\d+) by day')) FROM settings AS s WHERE s.name = 'chunk_bits') AS day_bits
SELECT
    corp_id, business_date, late, board.1, board.2, board.3, board.4,
    src_topic, src_partition, src_chunk,
    sum(r.exposures) AS exposures, sum(r.scans) AS scans, sum(r.requests_in) AS requests_in, sum(r.requests_out) AS requests_out, sum(r.half_adds) AS half_adds, sum(r.adds) AS adds, sum(r.late_adds) AS late_adds, sum(r.deletes_by_customer) AS deletes_by_customer, sum(r.deletes_by_staff) AS deletes_by_staff, sum(r.transfers_in) AS transfers_in, sum(r.transfers_out) AS transfers_out, sum(r.messages_in) AS messages_in, sum(r.messages_out) AS messages_out, sum(r.messages_auto) AS messages_auto, sum(r.orders) AS orders, sum(r.gmv_fen) AS gmv_fen, sum(r.refunds) AS refunds, sum(r.refund_fen) AS refund_fen, sum(r.broadcasts) AS broadcasts,
    toUInt32(sum(r.events)) AS events, max(r.version) AS version, max(r.last_add_at) AS last_add_at
FROM (
    SELECT *, arrayJoin([(toString(region_id), toString(store_id), staff_id, ''), (toString(region_id), '', '', toString(channel))]) AS board
    FROM (
        SELECT
            corp_id, business_date, late, region_id, store_id, staff_id, channel, src_topic, src_partition, src_chunk,
            exposures, scans, requests_in, requests_out, half_adds, adds, late_adds, deletes_by_customer, deletes_by_staff, transfers_in, transfers_out, messages_in, messages_out, messages_auto, orders, gmv_fen, refunds, refund_fen, broadcasts,
            events, version, toDateTime64(0, 3, 'UTC') AS last_add_at
        FROM counts_1d_registers FINAL
        WHERE (src_topic, src_partition, src_chunk) IN (
            SELECT l.src_topic, l.src_partition, arrayJoin(range(bitShiftRight(max(l.next_offset), day_bits)))
            FROM ledger AS l
            GROUP BY l.src_topic, l.src_partition
        )
        UNION ALL
        SELECT
            corp_id, business_date, toBool(dateDiff('millisecond', occurred_at, recorded_at) > 900000) AS late, region_id, store_id, staff_id, channel,
            src_topic, src_partition, bitShiftRight(src_offset, day_bits) AS src_chunk,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, occurred_at
        FROM facts FINAL
        WHERE type = 'friend.added' AND channel_group != 'transfer' AND NOT is_duplicate
    )
) AS r
GROUP BY corp_id, business_date, late, board, src_topic, src_partition, src_chunk
SETTINGS max_bytes_before_external_group_by = 2147483648, distributed_product_mode = 'global';

CREATE VIEW v_counts_1d_board (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空，渠道行为空 / store; empty if unknown, and in a row of a channel',
    staff_id String COMMENT '员工；渠道行为空 / member of staff; empty in a row of a channel',
    channel LowCardinality(String) COMMENT '渠道键；员工行为空 / key of the channel; empty in a row of a member of staff',
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
    last_add_at DateTime64(3, 'UTC') COMMENT '最近一次加粉的发生时间；无加粉为 1970 / occurred_at of the last add; 1970 without any'
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
    sum(r.broadcasts) AS broadcasts,
    max(r.last_add_at) AS last_add_at
FROM counts_1d_board_registers AS r FINAL
WHERE events > 0
GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 看板日汇总：员工行与渠道行在同一时刻，两者合计各等于总数，勿相加 / rollup for boards: rows of staff and rows of channels as of one instant; either kind adds up to the total, never both together';

CREATE VIEW v_counts_1d_staff (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
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
    last_add_at DateTime64(3, 'UTC') COMMENT '最近一次加粉的发生时间；无加粉为 1970 / occurred_at of the last add; 1970 without any'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id,
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
    sum(r.broadcasts) AS broadcasts,
    max(r.last_add_at) AS last_add_at
FROM counts_1d_board_registers AS r FINAL
WHERE channel = '' AND events > 0
GROUP BY corp_id, business_date, region_id, store_id, staff_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 日汇总（看板用）：日×大区×门店×员工，不分渠道 / rollup for boards by day, region, store and staff, over all channels; sums add up';

CREATE VIEW v_counts_1d_channel (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
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
    broadcasts UInt64 COMMENT '群发任务数 / broadcasts sent',
    last_add_at DateTime64(3, 'UTC') COMMENT '最近一次加粉的发生时间；无加粉为 1970 / occurred_at of the last add; 1970 without any'
)
AS
SELECT
    corp_id, business_date, region_id, channel,
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
    sum(r.broadcasts) AS broadcasts,
    max(r.last_add_at) AS last_add_at
FROM counts_1d_board_registers AS r FINAL
WHERE channel != '' AND events > 0
GROUP BY corp_id, business_date, region_id, channel
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 日汇总（看板用）：日×大区×渠道，不分门店与员工 / rollup for boards by day, region and channel, over all stores and staff; sums add up';
