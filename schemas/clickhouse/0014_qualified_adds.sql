-- Qualified adds (DWS).

CREATE VIEW v_qualified_adds_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '业务日期（企业所在时区） / calendar day of the event in the zone of the corp',
    region_id LowCardinality(String) COMMENT '大区；未知为空 / region; empty if unknown',
    store_id LowCardinality(String) COMMENT '门店；未知为空 / store; empty if unknown',
    staff_id String COMMENT '员工 / member of staff',
    channel LowCardinality(String) COMMENT '渠道键；无法归因为 unattributed / key of the channel; unattributed where nothing resolves',
    qualified_adds UInt64 COMMENT '合格加粉（新客、24小时内未流失未清理，又报加粉亦随该好友；满24小时前为暂定） / new to the corp and neither lost nor purged within 24 h, further adds while a friend followed; provisional until 24 h have passed',
    qualified_final UInt64 COMMENT '其中已定稿（满24小时） / of these final: 24 h have passed',
    not_new_adds UInt64 COMMENT '非企业新客的加粉 / adds of customers that the corp knew: adds = qualified + not new + lost',
    lost_adds UInt64 COMMENT '新客但24小时内流失或被清理 / new to the corp but lost or purged within 24 h, so far'
)
AS
SELECT
    corp_id, business_date, region_id, store_id, staff_id, channel,
    qualified_adds, qualified_final, adds - new_adds AS not_new_adds, lost_adds
FROM v_cohorts_1d
WHERE adds > 0
COMMENT 'DWS 合格加粉日汇总（随刷新更新，见 v_refresh） / qualified adds by day, as of the last refresh: see v_refresh';
