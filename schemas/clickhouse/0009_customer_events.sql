-- What happened to each customer, in the order of customers (DWD; fct): the second order of the facts,
-- packed as they are.

-- sharding: cityHash64(corp_id, customer_id)
CREATE TABLE customer_events (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data' CODEC(ZSTD(1)),
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record' CODEC(ZSTD(1)),
    src_offset UInt64 COMMENT '来源位点 / offset of the record' CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT '事件：add 加粉、transfer_in 转入、customer 客户删除、staff 员工删除、transfer 转出、request 员工申请、inbound 来消息、outbound 人工回复、order 支付 / what happened: add, transfer_in; an ending by customer, staff or transfer; request (by staff), inbound, outbound (in person), order',
    occurred_at DateTime64(3, 'UTC') COMMENT '发生时间 / when it happened' CODEC(ZSTD(1)),
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    staff_id String COMMENT '员工 / member of staff' CODEC(ZSTD(1)),
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown' CODEC(ZSTD(1)),
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    campaign_id LowCardinality(String) COMMENT '活动；未给为空 / campaign; empty if absent',
    event_id String COMMENT '事件标识（同刻先后由它定，与到达先后无关） / identity of the event: orders those of one instant, whatever arrived first' CODEC(ZSTD(1)),
    amount_fen UInt64 COMMENT '支付金额（分）；非订单为 0 / amount paid in 1/100 of the currency; 0 on other events',
    is_duplicate Bool COMMENT '对账判定的重复 / found to be a duplicate by reconcile',
    version UInt64 COMMENT '对账代次，新的覆盖旧的 / generation of reconcile; the larger replaces'
)
ENGINE = ReplacingMergeTree(version)
PRIMARY KEY (corp_id, customer_id)
ORDER BY (corp_id, customer_id, src_topic, src_partition, src_offset)
SETTINGS index_granularity = 512
COMMENT 'DWD 客户事件：按客户排序的窄表，由事实写入时同步生成（物理表）；保留：永久，勿设 TTL：再次加粉、流失归属都由全部历史判定 / fct: events in the order of customers, fed by each insert of facts; physical table; kept: for ever, set no TTL: whether a customer comes back, and which add a loss is of, follows from all of them';

CREATE MATERIALIZED VIEW customer_events_feed TO customer_events (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data',
    src_topic LowCardinality(String) COMMENT '来源主题（重建过的主题带 #序号） / topic of the record (a recreated topic carries #n)',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_offset UInt64 COMMENT '来源位点 / offset of the record',
    kind LowCardinality(String) COMMENT '事件种类 / what happened',
    occurred_at DateTime64(3, 'UTC') COMMENT '发生时间 / when it happened',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    staff_id String COMMENT '员工 / member of staff',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    campaign_id LowCardinality(String) COMMENT '活动；未给为空 / campaign; empty if absent',
    event_id String COMMENT '事件标识 / identity of the event',
    amount_fen UInt64 COMMENT '支付金额（分） / amount paid in 1/100 of the currency',
    is_duplicate Bool COMMENT '对账判定的重复 / found to be a duplicate by reconcile',
    version UInt64 COMMENT '对账代次 / generation of reconcile'
)
AS
SELECT
    corp_id, customer_id, src_topic, src_partition, src_offset,
    multiIf(
        type = 'friend.added', if(channel_group = 'transfer', 'transfer_in', 'add'),
        type = 'friend.transferred_in', 'transfer_in',
        type = 'friend.deleted_by_customer', 'customer',
        type = 'friend.deleted_by_staff', 'staff',
        type = 'friend.transferred_out', 'transfer',
        type = 'friend.requested', 'request',
        type = 'message.inbound', 'inbound',
        type = 'message.outbound', 'outbound',
        'order') AS kind,
    occurred_at, business_date, staff_id, region_id, store_id, channel, campaign_id, event_id,
    ifNull(amount_fen, 0) AS amount_fen, is_duplicate, version
FROM facts
WHERE customer_id != ''
    AND (type IN ('friend.added', 'friend.transferred_in', 'friend.deleted_by_customer', 'friend.deleted_by_staff', 'friend.transferred_out', 'message.inbound', 'order.paid')
        OR type = 'friend.requested' AND direction = 'out'
        OR type = 'message.outbound' AND NOT auto)
COMMENT '事实写入时生成客户事件 / feeds customer_events from each insert of facts';
