-- Cohort figures by day, store, staff and channel (DWS/ADS; written by `yinliu refresh`).

-- sharding: cityHash64(corp_id, business_date)
CREATE TABLE cohort_rows (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '加粉（或申请）的业务日期 / business day of the add, of the request for figures of requests',
    region_id LowCardinality(String) COMMENT '当时的大区；未知为空 / region at that time; empty if unknown',
    store_id LowCardinality(String) COMMENT '当时的门店；未知为空 / store at that time; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    adds UInt64 COMMENT '加粉数（当日全部成员，等于日汇总） / adds of the day: all members of its cohort, equal to the rollup',
    first_adds UInt64 COMMENT '其中首次加粉（同一员工与客户的第 1 段） / of these first adds: episode 1 of the member of staff and the customer',
    re_adds UInt64 COMMENT '其中再次加粉 / of these re-adds: a later episode of the two',
    new_adds UInt64 COMMENT '其中企业新客（此前与任何员工都无好友段） / of these new to the corp: no earlier episode with any staff',
    qualified_adds UInt64 COMMENT '合格加粉，含未满24小时者：新客、未在24小时内被客户删除或被员工清理（又报加粉者看最后一次的结局，免得重复上报掩盖流失）；暂定 / qualified adds so far, also of members whose 24 h have not passed: new to the corp, neither lost nor purged within 24 h; of one added again while a friend, by what became of the last add, or a second report would hide the loss; provisional',
    lost_adds UInt64 COMMENT '不合格：新客但已在24小时内流失或被清理，含未满24小时者 / new to the corp but lost or purged within 24 h, so far',
    opened_adds UInt64 COMMENT '开口：同一业务日内客户来过消息，含当日未过完者 / with a first inbound message on the same business day, so far',
    matured_same_day UInt64 COMMENT '已过完当日的成员 / members whose business day is over',
    lost_same_day UInt64 COMMENT '其中当日被客户删除 / of these deleted by the customer on the same business day',
    opened_same_day UInt64 COMMENT '其中当日客户来过消息 / of these with a first inbound message on the same business day',
    replied_same_day UInt64 COMMENT '其中当日首次来消息后当日得到人工回复 / of these opened ones answered in person on the same business day',
    reply_seconds UInt64 COMMENT '首次来消息到首次人工回复的秒数之和 / sum of seconds from the first inbound to the first outbound in person',
    replied_1m UInt64 COMMENT '其中 60 秒内回复 / of the replied, within [0, 60 s)',
    replied_5m UInt64 COMMENT '其中 1–5 分钟 / of the replied, within [60 s, 5 min)',
    replied_30m UInt64 COMMENT '其中 5–30 分钟 / of the replied, within [5 min, 30 min)',
    replied_2h UInt64 COMMENT '其中 30 分钟–2 小时 / of the replied, within [30 min, 2 h)',
    replied_later UInt64 COMMENT '其中 2 小时以上 / of the replied, after 2 h or more',
    matured_24h UInt64 COMMENT '已满24小时的成员 / members whose 24 h have passed',
    lost_24h UInt64 COMMENT '其中 24 小时内被客户删除（转移随行） / of these deleted by the customer within [0, 86,400 s), transfers followed',
    purged_24h UInt64 COMMENT '其中 24 小时内被员工删除（刷数信号） / of these deleted by staff within 24 h: a gaming signal',
    replaced_24h UInt64 COMMENT '其中 24 小时内又报加粉（流失与留存计入后一段，一次删除只算一次；合格加粉则随该好友） / of these replaced within 24 h by another add while still friends; the later add stands for the friend, so that one deletion is one loss; qualified adds alone follow the friend',
    retained_24h UInt64 COMMENT '其中满24小时仍是好友 / of these still friends after 24 h: matured minus lost, purged and replaced',
    opened_24h UInt64 COMMENT '其中 24 小时内客户来过消息 / of these with a first inbound message within 24 h',
    qualified_final UInt64 COMMENT '其中合格加粉（定稿） / of these qualified adds: final',
    matured_7d UInt64 COMMENT '已满7天的成员 / members whose 7 d have passed',
    lost_7d UInt64 COMMENT '其中 7 天内被客户删除 / of these deleted by the customer within [0, 604,800 s)',
    retained_7d UInt64 COMMENT '其中满7天仍是好友：不含被客户、员工删除及又报加粉者 / of these still friends after 7 d: neither lost nor deleted by staff nor replaced by another add',
    converted_7d UInt64 COMMENT '其中 7 天内有归属的支付订单（归属见 v_episodes） / of these with an order paid and credited within 7 d; v_episodes says to whom',
    gmv_7d_fen UInt64 COMMENT '其 7 天内归属的支付金额（分），未扣退款 / amount paid and credited to the matured members within 7 d, in 1/100 of the currency, gross of refunds',
    matured_30d UInt64 COMMENT '已满30天的成员 / members whose 30 d have passed',
    retained_30d UInt64 COMMENT '其中满30天仍是好友：不含被客户、员工删除及又报加粉者 / of these still friends after 30 d: neither lost nor deleted by staff nor replaced by another add',
    converted_30d UInt64 COMMENT '其中 30 天内有归属的支付订单（归属见 v_episodes） / of these with an order paid and credited within 30 d; v_episodes says to whom',
    gmv_30d_fen UInt64 COMMENT '其 30 天内归属的支付金额（分），未扣退款 / amount paid and credited to the matured members within 30 d, in 1/100 of the currency, gross of refunds',
    requests_out UInt64 COMMENT '员工发起的申请（有客户标识者） / requests by staff that name a customer',
    matured_72h UInt64 COMMENT '其中已满72小时 / of these requests old enough to know: 72 h have passed',
    passed_72h UInt64 COMMENT '其中 72 小时内该客户成为该员工好友 / of these whose customer became a friend of the same staff within [0, 72 h)',
    accept_seconds UInt64 COMMENT '其从申请到通过的秒数之和 / sum of seconds from these passed requests to the add',
    digest UInt64 COMMENT '数值摘要 / digest of the figures',
    complete_through DateTime64(3, 'UTC') COMMENT '计算至此刻的数据 / with every record that the brokers held by then',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '写入时间（服务器时钟） / when the row was written, by the clock of the server',
    version UInt64 COMMENT '计算时间（微秒），大者为准 / microseconds of the computation; the largest holds'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
PRIMARY KEY (corp_id, business_date, region_id, store_id, staff_id)
ORDER BY (corp_id, business_date, region_id, store_id, staff_id, channel)
SETTINGS index_granularity = 1024
COMMENT '队列指标（物理表，请读视图 v_cohorts_1d）；保留：永久 / cohort figures: physical table, read v_cohorts_1d; kept: for ever';

CREATE VIEW v_cohorts_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '加粉（或申请）的业务日期 / business day of the add, of the request for figures of requests',
    region_id LowCardinality(String) COMMENT '当时的大区；未知为空 / region at that time; empty if unknown',
    store_id LowCardinality(String) COMMENT '当时的门店；未知为空 / store at that time; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    adds UInt64 COMMENT '加粉数（当日全部成员，等于日汇总） / adds of the day: all members of its cohort, equal to the rollup',
    first_adds UInt64 COMMENT '其中首次加粉（同一员工与客户的第 1 段） / of these first adds: episode 1 of the member of staff and the customer',
    re_adds UInt64 COMMENT '其中再次加粉 / of these re-adds: a later episode of the two',
    new_adds UInt64 COMMENT '其中企业新客（此前与任何员工都无好友段） / of these new to the corp: no earlier episode with any staff',
    qualified_adds UInt64 COMMENT '合格加粉，含未满24小时者：新客、未在24小时内被客户删除或被员工清理（又报加粉者看最后一次的结局，免得重复上报掩盖流失）；暂定 / qualified adds so far, also of members whose 24 h have not passed: new to the corp, neither lost nor purged within 24 h; of one added again while a friend, by what became of the last add, or a second report would hide the loss; provisional',
    lost_adds UInt64 COMMENT '不合格：新客但已在24小时内流失或被清理，含未满24小时者 / new to the corp but lost or purged within 24 h, so far',
    opened_adds UInt64 COMMENT '开口：同一业务日内客户来过消息，含当日未过完者 / with a first inbound message on the same business day, so far',
    matured_same_day UInt64 COMMENT '已过完当日的成员 / members whose business day is over',
    lost_same_day UInt64 COMMENT '其中当日被客户删除 / of these deleted by the customer on the same business day',
    opened_same_day UInt64 COMMENT '其中当日客户来过消息 / of these with a first inbound message on the same business day',
    replied_same_day UInt64 COMMENT '其中当日首次来消息后当日得到人工回复 / of these opened ones answered in person on the same business day',
    reply_seconds UInt64 COMMENT '首次来消息到首次人工回复的秒数之和 / sum of seconds from the first inbound to the first outbound in person',
    replied_1m UInt64 COMMENT '其中 60 秒内回复 / of the replied, within [0, 60 s)',
    replied_5m UInt64 COMMENT '其中 1–5 分钟 / of the replied, within [60 s, 5 min)',
    replied_30m UInt64 COMMENT '其中 5–30 分钟 / of the replied, within [5 min, 30 min)',
    replied_2h UInt64 COMMENT '其中 30 分钟–2 小时 / of the replied, within [30 min, 2 h)',
    replied_later UInt64 COMMENT '其中 2 小时以上 / of the replied, after 2 h or more',
    matured_24h UInt64 COMMENT '已满24小时的成员 / members whose 24 h have passed',
    lost_24h UInt64 COMMENT '其中 24 小时内被客户删除（转移随行） / of these deleted by the customer within [0, 86,400 s), transfers followed',
    purged_24h UInt64 COMMENT '其中 24 小时内被员工删除（刷数信号） / of these deleted by staff within 24 h: a gaming signal',
    replaced_24h UInt64 COMMENT '其中 24 小时内又报加粉（流失与留存计入后一段，一次删除只算一次；合格加粉则随该好友） / of these replaced within 24 h by another add while still friends; the later add stands for the friend, so that one deletion is one loss; qualified adds alone follow the friend',
    retained_24h UInt64 COMMENT '其中满24小时仍是好友 / of these still friends after 24 h: matured minus lost, purged and replaced',
    opened_24h UInt64 COMMENT '其中 24 小时内客户来过消息 / of these with a first inbound message within 24 h',
    qualified_final UInt64 COMMENT '其中合格加粉（定稿） / of these qualified adds: final',
    matured_7d UInt64 COMMENT '已满7天的成员 / members whose 7 d have passed',
    lost_7d UInt64 COMMENT '其中 7 天内被客户删除 / of these deleted by the customer within [0, 604,800 s)',
    retained_7d UInt64 COMMENT '其中满7天仍是好友：不含被客户、员工删除及又报加粉者 / of these still friends after 7 d: neither lost nor deleted by staff nor replaced by another add',
    converted_7d UInt64 COMMENT '其中 7 天内有归属的支付订单（归属见 v_episodes） / of these with an order paid and credited within 7 d; v_episodes says to whom',
    gmv_7d_fen UInt64 COMMENT '其 7 天内归属的支付金额（分），未扣退款 / amount paid and credited to the matured members within 7 d, in 1/100 of the currency, gross of refunds',
    matured_30d UInt64 COMMENT '已满30天的成员 / members whose 30 d have passed',
    retained_30d UInt64 COMMENT '其中满30天仍是好友：不含被客户、员工删除及又报加粉者 / of these still friends after 30 d: neither lost nor deleted by staff nor replaced by another add',
    converted_30d UInt64 COMMENT '其中 30 天内有归属的支付订单（归属见 v_episodes） / of these with an order paid and credited within 30 d; v_episodes says to whom',
    gmv_30d_fen UInt64 COMMENT '其 30 天内归属的支付金额（分），未扣退款 / amount paid and credited to the matured members within 30 d, in 1/100 of the currency, gross of refunds',
    requests_out UInt64 COMMENT '员工发起的申请（有客户标识者） / requests by staff that name a customer',
    matured_72h UInt64 COMMENT '其中已满72小时 / of these requests old enough to know: 72 h have passed',
    passed_72h UInt64 COMMENT '其中 72 小时内该客户成为该员工好友 / of these whose customer became a friend of the same staff within [0, 72 h)',
    accept_seconds UInt64 COMMENT '其从申请到通过的秒数之和 / sum of seconds from these passed requests to the add'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id, channel,
    adds, first_adds, re_adds, new_adds, qualified_adds, lost_adds, opened_adds, matured_same_day, lost_same_day, opened_same_day, replied_same_day, reply_seconds, replied_1m, replied_5m, replied_30m, replied_2h, replied_later, matured_24h, lost_24h, purged_24h, replaced_24h, retained_24h, opened_24h, qualified_final, matured_7d, lost_7d, retained_7d, converted_7d, gmv_7d_fen, matured_30d, retained_30d, converted_30d, gmv_30d_fen, requests_out, matured_72h, passed_72h, accept_seconds
FROM cohort_rows FINAL
WHERE adds + requests_out > 0
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'DWS 队列指标：按加粉日×大区×门店×员工×渠道；比率=分子÷已满期成员，未满期=总数−已满期 / cohort figures by day of the add; a rate is its numerator over the matured, the pending are all minus the matured';

CREATE VIEW v_cohort_figures_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '加粉（或申请）的业务日期 / business day of the add, of the request for figures of requests',
    region_id LowCardinality(String) COMMENT '当时的大区；未知为空 / region at that time; empty if unknown',
    store_id LowCardinality(String) COMMENT '当时的门店；未知为空 / store at that time; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    figure LowCardinality(String) COMMENT '指标名；定义见 v_cohorts_1d 各列 / name of the figure; the columns of v_cohorts_1d define its parts',
    numerator UInt64 COMMENT '分子 / numerator, of matured members (of qualified_provisional: of all)',
    denominator UInt64 COMMENT '分母 / denominator',
    matured UInt64 COMMENT '已满期成员 / members old enough to know',
    pending UInt64 COMMENT '未满期成员 / members that are not yet'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id, channel,
    part.1 AS figure, part.2 AS numerator, part.3 AS denominator, part.4 AS matured, part.5 AS pending
FROM v_cohorts_1d
ARRAY JOIN [
        ('first_adds', first_adds, adds, adds, adds - adds),
        ('re_adds', re_adds, adds, adds, adds - adds),
        ('new_to_corp', new_adds, adds, adds, adds - adds),
        ('qualified_provisional', qualified_adds, adds, matured_24h, adds - matured_24h),
        ('qualified_final', qualified_final, matured_24h, matured_24h, adds - matured_24h),
        ('loss_same_day', lost_same_day, matured_same_day, matured_same_day, adds - matured_same_day),
        ('loss_24h', lost_24h, matured_24h, matured_24h, adds - matured_24h),
        ('loss_7d', lost_7d, matured_7d, matured_7d, adds - matured_7d),
        ('retained_24h', retained_24h, matured_24h, matured_24h, adds - matured_24h),
        ('retained_7d', retained_7d, matured_7d, matured_7d, adds - matured_7d),
        ('retained_30d', retained_30d, matured_30d, matured_30d, adds - matured_30d),
        ('staff_purge_24h', purged_24h, matured_24h, matured_24h, adds - matured_24h),
        ('opened_same_day', opened_same_day, matured_same_day, matured_same_day, adds - matured_same_day),
        ('opened_24h', opened_24h, matured_24h, matured_24h, adds - matured_24h),
        ('first_reply', replied_same_day, opened_same_day, matured_same_day, adds - matured_same_day),
        ('first_reply_seconds', reply_seconds, replied_same_day, matured_same_day, adds - matured_same_day),
        ('conversion_7d', converted_7d, matured_7d, matured_7d, adds - matured_7d),
        ('conversion_30d', converted_30d, matured_30d, matured_30d, adds - matured_30d),
        ('gmv_per_add_7d', gmv_7d_fen, matured_7d, matured_7d, adds - matured_7d),
        ('gmv_per_add_30d', gmv_30d_fen, matured_30d, matured_30d, adds - matured_30d),
        ('pass_rate_72h', passed_72h, matured_72h, matured_72h, requests_out - matured_72h),
        ('accept_seconds', accept_seconds, passed_72h, matured_72h, requests_out - matured_72h)
    ] AS part
WHERE part.4 + part.5 > 0
COMMENT 'ADS 队列指标长表：一行一指标，先求和再相除 / cohort figures, one row for each: add up numerators and denominators, then divide';
