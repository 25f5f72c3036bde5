-- Dimensions as of now, and as of a moment: `SELECT * FROM dim_staff_at(moment = '2026-11-10 12:00:00')`, in UTC (DIM).
-- Of the rows of one member the one with the latest `valid_from` up to the moment holds, of equal ones the later published;
-- the first one is valid from the beginning of time. So it is where events of that moment counted.

CREATE VIEW dim_staff_at (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    staff_id String COMMENT '员工 / member of staff',
    staff_name String COMMENT '姓名 / name',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称 / name of the store',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    is_active Bool COMMENT '是否在职 / whether active',
    valid_from DateTime64(3, 'UTC') COMMENT '自何时起如此；最早一条为 1970 / since when it is so; 1970 of the first row'
)
AS
SELECT
    corp_id, staff_id, row.1 AS staff_name, row.2 AS store_id, row.3 AS store_name, row.4 AS region_id, row.5 AS region_name,
    row.6 AS is_active, since AS valid_from
FROM (
    SELECT
        corp_id, staff_id,
        argMax((o.staff_name, toString(o.store_id), o.store_name, toString(o.region_id), o.region_name, o.active, o.removed), (o.holds_from, o.published_at, o.src_partition, o.src_offset)) AS row,
        max(o.holds_from) AS since
    FROM (
        SELECT
            *,
            if((published_at, src_partition, src_offset) = min((published_at, src_partition, src_offset)) OVER (PARTITION BY corp_id, staff_id), toDateTime64(0, 3, 'UTC'), valid_from) AS holds_from
        FROM org_history
    ) AS o
    WHERE holds_from <= {moment:DateTime64(3, 'UTC')}
    GROUP BY corp_id, staff_id
)
WHERE NOT row.7
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
    valid_from DateTime64(3, 'UTC') COMMENT '自何时起如此；最早一条为 1970 / since when it is so; 1970 of the first row'
)
AS
SELECT corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, is_active, valid_from
FROM dim_staff_at(moment = now64(3))
COMMENT 'DIM 员工（当前） / members of staff as of now';

CREATE VIEW dim_store (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    store_id LowCardinality(String) COMMENT '门店 / store',
    store_name String COMMENT '门店名称 / name of the store',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    staff_active UInt64 COMMENT '在职员工数 / active members of staff'
)
AS
SELECT
    corp_id, store_id, argMax(s.store_name, (s.valid_from, s.staff_id)) AS store_name,
    argMax(toString(s.region_id), (s.valid_from, s.staff_id)) AS region_id,
    argMax(s.region_name, (s.valid_from, s.staff_id)) AS region_name, countIf(s.is_active) AS staff_active
FROM dim_staff AS s
WHERE store_id != ''
GROUP BY corp_id, store_id
COMMENT 'DIM 门店（当前；有员工者） / stores as of now, those that have members of staff';

CREATE VIEW dim_region (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    region_id LowCardinality(String) COMMENT '大区 / region',
    region_name String COMMENT '大区名称 / name of the region',
    stores UInt64 COMMENT '门店数 / stores',
    staff_active UInt64 COMMENT '在职员工数 / active members of staff'
)
AS
SELECT
    corp_id, region_id, argMax(s.region_name, (s.valid_from, s.staff_id)) AS region_name,
    uniqExactIf(s.store_id, s.store_id != '') AS stores, countIf(s.is_active) AS staff_active
FROM dim_staff AS s
WHERE region_id != ''
GROUP BY corp_id, region_id
COMMENT 'DIM 大区（当前；有员工者） / regions as of now, those that have members of staff';

CREATE VIEW dim_channel (
    corp_id LowCardinality(String) COMMENT '企业；通用渠道为空 / corp whose own channel it is; empty of those that every corp has',
    channel LowCardinality(String) COMMENT '渠道键 / key of the channel',
    channel_group LowCardinality(String) COMMENT '渠道分组 / group of the channel',
    name_zh String COMMENT '中文名；自有渠道为其码的名称 / name in Chinese; of an own channel the label of its newest code',
    name_en String COMMENT '英文名；自有渠道同上 / name in English; of an own channel the same label'
)
AS
SELECT '' AS corp_id, channel, channel_group, name_zh, name_en
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
UNION ALL
SELECT toString(corp_id), toString(channel), argMax(toString(c.group), (c.published_at, c.src_offset)), argMax(c.label, (c.published_at, c.src_offset)) AS label, label
FROM channel_history AS c
WHERE group != '' AND NOT removed AND channel NOT IN ('package_card', 'order_sms', 'ai_call', 'ai_call_sms', 'platform_cs', 'checkout_page', 'ad_miniprogram', 'ad_kf', 'ad_qr', 'moments_ad', 'xiaohongshu', 'douyin', 'offline_ad', 'oa_welcome', 'oa_menu', 'oa_article', 'oa_template', 'miniprogram', 'mp_push', 'channels_profile', 'channels_live', 'channels_comment', 'website', 'app', 'sms_link', 'acquisition_link', 'cashier', 'badge', 'shelf', 'wifi_card', 'receipt', 'guide', 'tele_call', 'form', 'phone_import', 'fission', 'distribution', 'group_buy', 'card_share', 'group_chat', 'wechat_contact', 'search', 'work_context', 'shared', 'assigned', 'unattributed')
GROUP BY corp_id, channel
COMMENT 'DIM 渠道（当前） / channels as of now: those of every corp, and those of its own';
