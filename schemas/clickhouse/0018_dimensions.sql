-- Dimensions, with their history, as of now, and as of a moment in UTC (DIM):
-- `SELECT * FROM dim_staff_at(moment = '2026-11-10 12:00:00')`.
-- A code makes a channel the corp's own from its publication on.
-- A view with a parameter is looked for in the current database, also where another view names it: those as of now do without,
-- so that `SELECT * FROM yinliu.dim_staff` answers whatever database is current.

CREATE VIEW dim_staff_at (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    staff_id String COMMENT '员工 / member of staff',
    staff_name String COMMENT '姓名 / name',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称 / name of the store',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    is_active Bool COMMENT '是否在职 / whether active',
    valid_from DateTime64(3, 'UTC') COMMENT '自何时起如此；最早一条为 1970 / since when it is so; 1970 of the first row',
    valid_to DateTime64(3, 'UTC') COMMENT '至何时为止（不含）；仍有效为 2299-12-31 / until when, exclusive; 2299-12-31 where it still holds',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record'
)
AS
SELECT corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, is_active, valid_from, valid_to, published_at
FROM dim_staff_history
WHERE valid_from <= {moment:DateTime64(3, 'UTC')} AND valid_to > {moment:DateTime64(3, 'UTC')}
COMMENT 'DIM 员工，截至某时刻（参数 moment，UTC） / members of staff as of a moment, the parameter `moment` in UTC';

CREATE VIEW dim_staff (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    staff_id String COMMENT '员工 / member of staff',
    staff_name String COMMENT '姓名 / name',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称 / name of the store',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    is_active Bool COMMENT '是否在职 / whether active',
    valid_from DateTime64(3, 'UTC') COMMENT '自何时起如此；最早一条为 1970 / since when it is so; 1970 of the first row',
    valid_to DateTime64(3, 'UTC') COMMENT '至何时为止（不含）；仍有效为 2299-12-31 / until when, exclusive; 2299-12-31 where it still holds',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间 / when it was published: timestamp of its record'
)
AS
SELECT corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, is_active, valid_from, valid_to, published_at
FROM dim_staff_history
WHERE valid_from <= now64(3) AND valid_to > now64(3)
COMMENT 'DIM 员工（当前） / members of staff as of now';

CREATE VIEW dim_store_at (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称；员工所记不一时取最新 / name of the store; of several the newest',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    staff_active UInt64 COMMENT '在职员工数 / active members of staff'
)
AS
SELECT
    corp_id, store_id, argMax(s.store_name, (s.published_at, s.valid_from, s.staff_id)) AS store_name,
    argMax(toString(s.region_id), (s.published_at, s.valid_from, s.staff_id)) AS region_id,
    argMax(s.region_name, (s.published_at, s.valid_from, s.staff_id)) AS region_name, countIf(s.is_active) AS staff_active
FROM dim_staff_history AS s
WHERE store_id != '' AND valid_from <= {moment:DateTime64(3, 'UTC')} AND valid_to > {moment:DateTime64(3, 'UTC')}
GROUP BY corp_id, store_id
COMMENT 'DIM 门店（有员工者），截至某时刻（参数 moment，UTC） / stores that have members of staff, as of a moment, the parameter `moment` in UTC';

CREATE VIEW dim_store (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称；员工所记不一时取最新 / name of the store; of several the newest',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    staff_active UInt64 COMMENT '在职员工数 / active members of staff'
)
AS
SELECT
    corp_id, store_id, argMax(s.store_name, (s.published_at, s.valid_from, s.staff_id)) AS store_name,
    argMax(toString(s.region_id), (s.published_at, s.valid_from, s.staff_id)) AS region_id,
    argMax(s.region_name, (s.published_at, s.valid_from, s.staff_id)) AS region_name, countIf(s.is_active) AS staff_active
FROM dim_staff AS s
WHERE store_id != ''
GROUP BY corp_id, store_id
COMMENT 'DIM 门店（当前） / stores that have members of staff, as of now';

CREATE VIEW dim_region_at (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称；员工所记不一时取最新 / name of the region; of several the newest',
    stores UInt64 COMMENT '门店数 / stores',
    staff_active UInt64 COMMENT '在职员工数 / active members of staff'
)
AS
SELECT
    corp_id, region_id, argMax(s.region_name, (s.published_at, s.valid_from, s.staff_id)) AS region_name,
    uniqExactIf(s.store_id, s.store_id != '') AS stores, countIf(s.is_active) AS staff_active
FROM dim_staff_history AS s
WHERE region_id != '' AND valid_from <= {moment:DateTime64(3, 'UTC')} AND valid_to > {moment:DateTime64(3, 'UTC')}
GROUP BY corp_id, region_id
COMMENT 'DIM 大区（有员工者），截至某时刻（参数 moment，UTC） / regions that have members of staff, as of a moment, the parameter `moment` in UTC';

CREATE VIEW dim_region (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称；员工所记不一时取最新 / name of the region; of several the newest',
    stores UInt64 COMMENT '门店数 / stores',
    staff_active UInt64 COMMENT '在职员工数 / active members of staff'
)
AS
SELECT
    corp_id, region_id, argMax(s.region_name, (s.published_at, s.valid_from, s.staff_id)) AS region_name,
    uniqExactIf(s.store_id, s.store_id != '') AS stores, countIf(s.is_active) AS staff_active
FROM dim_staff AS s
WHERE region_id != ''
GROUP BY corp_id, region_id
COMMENT 'DIM 大区（当前） / regions that have members of staff, as of now';

CREATE VIEW dim_channel_common (
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    channel_group LowCardinality(String) COMMENT '渠道分组 / group of the channel',
    name_zh String COMMENT '中文名 / name in Chinese',
    name_en String COMMENT '英文名 / name in English'
)
AS
SELECT channel, channel_group, name_zh, name_en
FROM values('channel String, channel_group String, name_zh String, name_en String',
    ('package_card', 'ecommerce', '包裹卡', 'Package card'),
    ('order_sms', 'ecommerce', '下单短信', 'Order SMS'),
    ('ai_call', 'ecommerce', 'AI外呼', 'AI call'),
    ('ai_call_sms', 'ecommerce', 'AI外呼+短信', 'AI call and SMS'),
    ('platform_cs', 'ecommerce', '平台客服', 'Platform service'),
    ('checkout_page', 'ecommerce', '支付后页', 'Page after payment'),
    ('ad_miniprogram', 'paid_media', '广告-小程序', 'Ad to mini-program'),
    ('ad_kf', 'paid_media', '广告-微信客服', 'Ad to customer service'),
    ('ad_qr', 'paid_media', '广告-企微码', 'Ad to WeCom code'),
    ('moments_ad', 'paid_media', '朋友圈广告', 'Moments ad'),
    ('xiaohongshu', 'paid_media', '小红书', 'Xiaohongshu'),
    ('douyin', 'paid_media', '抖音', 'Douyin'),
    ('offline_ad', 'paid_media', '线下广告', 'Offline ad'),
    ('oa_welcome', 'owned', '公众号欢迎语', 'Official account: welcome'),
    ('oa_menu', 'owned', '公众号菜单', 'Official account: menu'),
    ('oa_article', 'owned', '公众号文章', 'Official account: article'),
    ('oa_template', 'owned', '模板消息', 'Template message'),
    ('miniprogram', 'owned', '小程序', 'Mini-program'),
    ('mp_push', 'owned', '小程序推送', 'Mini-program push'),
    ('channels_profile', 'owned', '视频号主页', 'Channels: profile'),
    ('channels_live', 'owned', '视频号直播', 'Channels: live'),
    ('channels_comment', 'owned', '视频号评论', 'Channels: comment'),
    ('website', 'owned', '官网', 'Website'),
    ('app', 'owned', 'App', 'App'),
    ('sms_link', 'owned', '短信链接', 'SMS link'),
    ('acquisition_link', 'owned', '获客链接', 'Acquisition link'),
    ('cashier', 'store', '收银台', 'Till'),
    ('badge', 'store', '工牌', 'Staff badge'),
    ('shelf', 'store', '货架', 'Shelf'),
    ('wifi_card', 'store', 'WiFi卡', 'WiFi card'),
    ('receipt', 'store', '小票', 'Receipt'),
    ('guide', 'store', '导购当面', 'In person'),
    ('tele_call', 'telesales', '电销', 'Telesales call'),
    ('form', 'telesales', '表单', 'Form'),
    ('phone_import', 'telesales', '号码批量添加', 'Imported numbers'),
    ('fission', 'referral', '裂变', 'Fission'),
    ('distribution', 'referral', '分销', 'Distribution'),
    ('group_buy', 'referral', '拼团', 'Group buying'),
    ('card_share', 'referral', '名片推荐', 'Shared card'),
    ('group_chat', 'group_chat', '社群', 'Group chat'),
    ('wechat_contact', 'staff_active', '微信联系人', 'WeChat contact'),
    ('search', 'staff_active', '搜索添加', 'Search'),
    ('work_context', 'staff_active', '日程会议等', 'Calendar, meetings'),
    ('shared', 'transfer', '内部共享', 'Shared inside'),
    ('assigned', 'transfer', '继承分配', 'Assigned after leaving'),
    ('unattributed', 'unattributed', '未归因', 'Unattributed'))
COMMENT 'DIM 通用渠道（每个企业都有） / channels that every corp has';

CREATE VIEW dim_channel_at (
    corp_id LowCardinality(String) COMMENT '企业；通用渠道为空 / corp whose own channel it is; empty of those that every corp has',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    channel_group LowCardinality(String) COMMENT '渠道分组 / group of the channel',
    name_zh String COMMENT '中文名；自有渠道为其码的名称 / name in Chinese; of an own channel the label of its newest code',
    name_en String COMMENT '英文名；自有渠道同上 / name in English; of an own channel the same label'
)
AS
SELECT '' AS corp_id, channel, channel_group, name_zh, name_en
FROM dim_channel_common
UNION ALL
SELECT
    toString(corp_id), toString(channel), argMax(toString(c.group), (c.published_at, c.src_partition, c.src_offset)),
    argMax(c.label, (c.published_at, c.src_partition, c.src_offset)) AS label, label
FROM channel_history AS c
WHERE group != '' AND published_at <= {moment:DateTime64(3, 'UTC')} AND channel NOT IN (SELECT channel FROM dim_channel_common)
GROUP BY corp_id, channel
COMMENT 'DIM 渠道，截至某时刻（参数 moment，UTC）：通用渠道与企业自有渠道 / channels as of a moment, the parameter `moment` in UTC: those of every corp, and those of its own';

CREATE VIEW dim_channel (
    corp_id LowCardinality(String) COMMENT '企业；通用渠道为空 / corp whose own channel it is; empty of those that every corp has',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    channel_group LowCardinality(String) COMMENT '渠道分组 / group of the channel',
    name_zh String COMMENT '中文名；自有渠道为其码的名称 / name in Chinese; of an own channel the label of its newest code',
    name_en String COMMENT '英文名；自有渠道同上 / name in English; of an own channel the same label'
)
AS
SELECT '' AS corp_id, channel, channel_group, name_zh, name_en
FROM dim_channel_common
UNION ALL
SELECT
    toString(corp_id), toString(channel), argMax(toString(c.group), (c.published_at, c.src_partition, c.src_offset)),
    argMax(c.label, (c.published_at, c.src_partition, c.src_offset)) AS label, label
FROM channel_history AS c
WHERE group != '' AND published_at <= now64(3) AND channel NOT IN (SELECT channel FROM dim_channel_common)
GROUP BY corp_id, channel
COMMENT 'DIM 渠道（当前） / channels of every corp, and of its own, as of now';
