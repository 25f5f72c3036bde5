-- Friendships as episodes, and what became of requests (DWD; fct): computed from customer_events by `yinliu refresh`.

-- sharding: cityHash64(corp_id, customer_id)
CREATE TABLE episode_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '开始的业务日期 / business day on which it began',
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data',
    src_topic LowCardinality(String) COMMENT '开始事件的来源主题 / topic of the record that began it',
    src_partition UInt32 COMMENT '开始事件的来源分区 / partition of the record that began it',
    src_offset UInt64 COMMENT '开始事件的来源位点 / offset of the record that began it',
    staff_id String COMMENT '员工 / member of staff',
    region_id LowCardinality(String) COMMENT '开始时的大区；未知为空 / region at the beginning; empty if unknown',
    store_id LowCardinality(String) COMMENT '开始时的门店；未知为空 / store at the beginning; empty if unknown',
    channel LowCardinality(String) COMMENT '开始时的渠道键 / key of the channel of the beginning',
    campaign_id LowCardinality(String) COMMENT '活动；未给为空 / campaign; empty if absent',
    begun_by LowCardinality(String) COMMENT '开始方式：add 加粉、transfer 转入、unknown 开始早于统计；空为已撤销的行 / add, transfer, or unknown: friends from before the counting began; empty: the row was withdrawn',
    number UInt32 COMMENT '该员工与该客户的第几段（1 为首次）；同一时刻：已是好友则先结束后开始，否则先开始；结束先客户后员工再转移，同类按 event_id / which episode of this member of staff and customer; 1 is the first. Within one instant friends end before they begin, others begin first; of endings the customer comes before staff before a transfer, equals by event_id',
    number_in_corp UInt32 COMMENT '该客户在全企业的第几段（1 且为加粉即企业新客）；按开始时间排，unknown 按其结束时间；同一时刻先 unknown、再转入、再加粉，同类按员工号、再按 event_id，与到达先后无关 / which episode of the customer in the whole corp; an add with 1 is new to the corp. Ordered by its beginning, an unknown one by its end; of one instant unknown before transfer before add, equals by staff_id, then event_id, whatever arrived first',
    began_at DateTime64(3, 'UTC') COMMENT '开始时间；unknown 为其结束时间（此前不可知） / when it began; of an unknown beginning the end, when it became known',
    ended_at DateTime64(3, 'UTC') COMMENT '本段结束时间；未结束为 2299-12-31 / when it ended; 2299-12-31 while open',
    ended_by LowCardinality(String) COMMENT '结束方式：customer、staff、transfer、replaced（仍是好友时又报加粉）；未结束为空 / customer, staff, transfer, or replaced by another add while still friends; empty while open',
    handed_to String COMMENT '转出后由谁接续：前后 24 小时内最近的转入；无则为空 / staff whose episode continues this one after a transfer: the nearest transfer in within 24 h of it; empty if none is known',
    lost_at DateTime64(3, 'UTC') COMMENT '随转移接续后最终结束的时间；未结束为 2299-12-31 / when the friendship ended, transfers followed; 2299-12-31 while it lasts',
    lost_by LowCardinality(String) COMMENT '最终结束方式：customer、staff、replaced；仍是好友为空 / customer, staff or replaced; empty while it lasts, also with a colleague whose record is missing',
    lost_date Date COMMENT '最终结束的业务日期；未结束为 1970-01-01 / business day of that end; 1970-01-01 while it lasts',
    unfriended_at DateTime64(3, 'UTC') COMMENT '不再是好友的时间：转移与又报加粉皆接续（仍是同一好友）；仍是好友为 2299-12-31 / when the customer was no friend any more, transfers and further adds followed: who is added again while a friend is the same friend; 2299-12-31 while one',
    unfriended_by LowCardinality(String) COMMENT '由谁删除：customer 或 staff；仍是好友为空 / by whom: customer or staff; empty while a friend',
    opened_at DateTime64(3, 'UTC') COMMENT '加粉后本段内客户首次来消息（至开始后第二个业务日）；无则 2299-12-31 / of an add the first inbound message within the episode, up to the second business day after it began; 2299-12-31 if none',
    opened_date Date COMMENT '其业务日期；无则 1970-01-01 / its business day; 1970-01-01 if none',
    replied_at DateTime64(3, 'UTC') COMMENT '其后首次人工回复（同上期限）；无则 2299-12-31 / first outbound message in person at or after it, within the same days; 2299-12-31 if none',
    replied_date Date COMMENT '其业务日期；无则 1970-01-01 / its business day; 1970-01-01 if none',
    orders_7d UInt32 COMMENT '加粉后 7 天内归属本段（含接续）的支付订单；归属付款时未结束的段：先本单员工的，否则最近开始的；转移链计入最初一段 / orders paid within 7 d and credited to it, transfers followed; an order goes to the episode that is open at payment: that with its own member of staff, else the one that began last; of a chain of transfers the first',
    gmv_7d_fen UInt64 COMMENT '其金额（分），未扣退款 / their amount in 1/100 of the currency, gross of refunds',
    orders_30d UInt32 COMMENT '加粉后 30 天内归属本段（含接续）的支付订单（同上） / orders paid within 30 d and credited to it, likewise',
    gmv_30d_fen UInt64 COMMENT '其金额（分），未扣退款 / their amount in 1/100 of the currency, gross of refunds',
    digest UInt64 COMMENT '内容摘要；撤销为 0 / digest of the content; 0 when withdrawn',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间（服务器时钟） / when the row was written, by the clock of the server',
    version UInt64 COMMENT '规则代次与所依据的事实数，大者为准 / rules << 48 | facts of the customer that it was computed from; the largest holds, whoever wrote it when',
    INDEX ingested ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
PRIMARY KEY (corp_id, business_date, customer_id)
ORDER BY (corp_id, business_date, customer_id, src_topic, src_partition, src_offset)
SETTINGS index_granularity = 1024
COMMENT '好友关系分段（物理表，请读视图 v_episodes）；保留：永久；被遗忘的客户改随机名 / episodes: physical table, read v_episodes; kept: for ever; of a forgotten customer under a random name';

-- sharding: cityHash64(corp_id, customer_id)
CREATE TABLE request_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '申请的业务日期 / business day of the request',
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data',
    src_topic LowCardinality(String) COMMENT '来源主题 / topic of the record',
    src_partition UInt32 COMMENT '来源分区 / partition of the record',
    src_offset UInt64 COMMENT '来源位点 / offset of the record',
    staff_id String COMMENT '员工 / member of staff',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    requested_at DateTime64(3, 'UTC') COMMENT '申请时间 / when the member of staff asked',
    accepted_at DateTime64(3, 'UTC') COMMENT '其后首次加粉；无则 2299-12-31 / first add of the two at or after it; 2299-12-31 if none',
    digest UInt64 COMMENT '内容摘要；撤销为 0 / digest of the content; 0 when withdrawn',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间（服务器时钟） / when the row was written, by the clock of the server',
    version UInt64 COMMENT '规则代次与所依据的事实数，大者为准 / rules << 48 | facts of the customer that it was computed from; the largest holds',
    INDEX ingested ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
PRIMARY KEY (corp_id, business_date, customer_id)
ORDER BY (corp_id, business_date, customer_id, src_topic, src_partition, src_offset)
SETTINGS index_granularity = 1024
COMMENT '员工申请及其结果（物理表）；保留：永久；被遗忘的客户改随机名 / requests by staff and what became of them: physical table; kept: for ever; of a forgotten customer under a random name';

CREATE VIEW v_episodes (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '开始的业务日期 / business day on which it began',
    customer_id String COMMENT '外部联系人；个人信息 / external user id; personal data',
    staff_id String COMMENT '员工 / member of staff',
    region_id LowCardinality(String) COMMENT '开始时的大区 / region at the beginning',
    store_id LowCardinality(String) COMMENT '开始时的门店 / store at the beginning',
    channel LowCardinality(String) COMMENT '开始时的渠道键 / key of the channel of the beginning',
    campaign_id LowCardinality(String) COMMENT '活动；未给为空 / campaign; empty if absent',
    begun_by LowCardinality(String) COMMENT '开始方式：add、transfer、unknown / add, transfer, or unknown: friends from before the counting began',
    number UInt32 COMMENT '该员工与该客户的第几段；同一时刻：已是好友则先结束后开始，否则先开始；结束先客户后员工再转移，同类按 event_id / which episode of this member of staff and customer; 1 is the first. Within one instant friends end before they begin, others begin first; of endings the customer comes before staff before a transfer, equals by event_id',
    number_in_corp UInt32 COMMENT '该客户在全企业的第几段；按开始时间排，unknown 按其结束时间；同一时刻先 unknown、再转入、再加粉，同类按员工号、再按 event_id，与到达先后无关 / which episode of the customer in the whole corp, by its beginning, an unknown one by its end; of one instant unknown before transfer before add, equals by staff_id, then event_id, whatever arrived first',
    is_new_to_corp Bool COMMENT '企业新客：加粉且此前与任何员工都无好友段。只凭已知的开始改判：晚到的更早加粉会改判；只见结束不见开始者，不知始于何时，不改判其前的加粉（奖励不凭推测收回）；两名员工同一时刻加粉，员工号小者为新 / an add before which the customer had no episode with any staff. Only a beginning that is known disqualifies: an earlier add that comes late does; an ending without one does not say since when, so an add before it stays new, as no reward is taken back on a guess. Of two staff in one instant the smaller staff_id has the new one',
    began_at DateTime64(3, 'UTC') COMMENT '开始时间 / when it began',
    ended_at Nullable(DateTime64(3, 'UTC')) COMMENT '本段结束时间；未结束为 NULL / when it ended; NULL while open',
    ended_by LowCardinality(String) COMMENT '结束方式：customer、staff、transfer、replaced；未结束为空 / by customer, staff, transfer or replaced; empty while open',
    handed_to String COMMENT '转出后由谁接续：前后 24 小时内最近的转入；无则为空 / staff whose episode continues it: the nearest transfer in within 24 h of the ending; empty if none is known',
    lost_at Nullable(DateTime64(3, 'UTC')) COMMENT '随转移接续后最终结束的时间；未结束为 NULL / when the friendship ended, transfers followed; NULL while it lasts',
    lost_by LowCardinality(String) COMMENT '最终结束方式；仍是好友为空 / customer, staff or replaced; empty while it lasts',
    unfriended_at Nullable(DateTime64(3, 'UTC')) COMMENT '不再是好友的时间：转移与又报加粉皆接续（仍是同一好友）；仍是好友为 NULL / when the customer was no friend any more, transfers and further adds followed: who is added again while a friend is the same friend; NULL while one',
    unfriended_by LowCardinality(String) COMMENT '由谁删除：customer 或 staff；仍是好友为空 / by whom: customer or staff; empty while a friend',
    opened_at Nullable(DateTime64(3, 'UTC')) COMMENT '加粉后客户首次来消息（至开始后第二个业务日）；无则 NULL / of an add the first inbound message, up to the second business day after it began; NULL if none',
    replied_at Nullable(DateTime64(3, 'UTC')) COMMENT '其后首次人工回复；无则 NULL / first outbound message in person at or after it; NULL if none',
    orders_7d UInt32 COMMENT '7 天内归属的支付订单；归属付款时未结束的段：先本单员工的，否则最近开始的；转移链计入最初一段 / orders paid within 7 d and credited to it; an order goes to the episode that is open at payment: that with its own member of staff, else the one that began last; of a chain of transfers the first',
    gmv_7d_fen UInt64 COMMENT '其金额（分），未扣退款 / their amount in 1/100 of the currency, gross of refunds',
    orders_30d UInt32 COMMENT '30 天内归属的支付订单（同上） / orders paid within 30 d and credited to it, likewise',
    gmv_30d_fen UInt64 COMMENT '其金额（分），未扣退款 / their amount in 1/100 of the currency, gross of refunds',
    src_topic LowCardinality(String) COMMENT '开始事件的来源主题 / topic of the record that began it',
    src_partition UInt32 COMMENT '开始事件的来源分区 / partition of the record that began it',
    src_offset UInt64 COMMENT '开始事件的来源位点 / offset of the record that began it'
)
AS
SELECT
    corp_id, business_date, customer_id, staff_id, region_id, store_id, channel, campaign_id, begun_by, number, number_in_corp,
    begun_by = 'add' AND number_in_corp = 1 AS is_new_to_corp,
    began_at,
    if(ended_by = '', NULL, e.ended_at) AS ended_at, ended_by, handed_to,
    if(lost_by = '', NULL, e.lost_at) AS lost_at, lost_by,
    if(unfriended_by = '', NULL, e.unfriended_at) AS unfriended_at, unfriended_by,
    if(opened_date = toDate(0), NULL, e.opened_at) AS opened_at,
    if(replied_date = toDate(0), NULL, e.replied_at) AS replied_at,
    orders_7d, gmv_7d_fen, orders_30d, gmv_30d_fen, src_topic, src_partition, src_offset
FROM episode_rows AS e FINAL
WHERE begun_by != ''
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWD 好友关系分段：企业×员工×客户×第几段，不可变 / fct: episodes of friendship by corp, staff, customer and number';

CREATE VIEW v_requests (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '申请的业务日期 / business day of the request',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    requested_at DateTime64(3, 'UTC') COMMENT '申请时间 / when the member of staff asked',
    accepted_at Nullable(DateTime64(3, 'UTC')) COMMENT '其后首次加粉；无则 NULL / first add of the two at or after it; NULL if none'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id, channel, requested_at,
    if(r.accepted_at >= toDateTime64('2299-01-01 00:00:00', 3, 'UTC'), NULL, r.accepted_at) AS accepted_at
FROM request_rows AS r FINAL
WHERE digest != 0
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWD 员工申请及其结果：一行一申请 / fct: requests by staff and what became of them, one row for each';
