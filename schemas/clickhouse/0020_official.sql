-- WeCom's own daily statistics of each member of staff beside what was counted here (DIM and ADS; from the CSV of the
-- configuration).

-- sharding: cityHash64(corp_id)
CREATE TABLE official_log (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '官方统计日期（北京时间） / day of the statistics, in Beijing time',
    staff_id String COMMENT '员工 / member of staff',
    new_apply_cnt UInt64 COMMENT '官方：发起申请数 / official: applications sent',
    new_contact_cnt UInt64 COMMENT '官方：新增客户数 / official: customers added',
    negative_feedback_cnt UInt64 COMMENT '官方：删除或拉黑成员的客户数 / official: customers who deleted or blocked the member',
    removed Bool COMMENT '被删除 / the row was removed',
    published_at DateTime64(3, 'UTC') COMMENT '发布时间（文件的修改时间） / when it was published: when the file was last written',
    src_partition UInt32 COMMENT '来源分区；文件为 4294967295 / partition of the record; 4294967295 of a file',
    src_offset UInt64 COMMENT '来源位点 / offset of the record; of a file the number of the line',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '入库时间 / when the row was written'
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (corp_id, business_date, staff_id, published_at, src_partition, src_offset)
COMMENT '官方统计变更（物理表，请读视图 v_official_1d）；保留：永久 / changes of the official statistics: physical table, read v_official_1d; kept: for ever';

-- WeCom's days are those of Beijing. What the business day of a corp in another zone has of other days, and lacks of that one,
-- is the first cause. Of the events of WeCom's own day, one can only be late, or one more of the same customer: WeCom counts
-- customers, here each event counts. What is left has no cause that the facts can tell: a callback that never came, a member
-- without callbacks.
CREATE VIEW v_official_1d (
    corp_id LowCardinality(String) COMMENT '企业（租户） / the WeCom corp or brand',
    business_date Date COMMENT '日期：本系统为企业时区的业务日，官方为北京时间的同一日历日 / calendar day: the business day of the corp here, the same day of Beijing for WeCom',
    staff_id String COMMENT '员工 / member of staff',
    metric LowCardinality(String) COMMENT '指标：adds、deletes_by_customer、requests_out / counter of events that is compared',
    official UInt64 COMMENT '官方数 / what WeCom counted',
    counted UInt64 COMMENT '本系统计数（业务日） / what was counted here, on the business day',
    difference Int64 COMMENT '差异＝本系统−官方＝时区＋迟到＋重复＋未解释 / counted minus official: shifted, late, repeated and unexplained add up to it',
    shifted Int64 COMMENT '时区：业务日内而不属北京同日的事件，减北京该日内而不属该业务日者；北京时区的企业为 0 / by the zone: events of the business day that are not of that day in Beijing, minus those of that day in Beijing that are not of the business day; 0 of a corp in the zone of Beijing',
    late UInt64 COMMENT '北京该日的事件中，官方发布之后才到达者 / of the events of that day in Beijing those whose record came after the statistics were published',
    repeated UInt64 COMMENT '同一客户在北京该日第二次及以后 / events of a customer beyond the first of that day in Beijing, of those in time',
    unexplained Int64 COMMENT '未解释：负为漏接回调，正为官方少计 / without a cause in the facts: below zero callbacks that never came',
    is_silent Bool COMMENT '该业务日与北京该日均无此员工任何事件（多为未接入回调） / no event of this member on either day: mostly one without callbacks'
)
AS
WITH
    arrayFilter(e -> e.1 = part.1, happened) AS events,
    arrayFilter(e -> e.5, events) AS of_official_day,
    arrayFilter(e -> e.3 <= published, of_official_day) AS in_time,
    length(arrayDistinct(arrayMap(e -> e.2, in_time))) AS customers
SELECT
    corp_id, business_date, staff_id, part.1 AS metric, part.2 AS official, toUInt64(arrayCount(e -> e.4, events)) AS counted,
    toInt64(counted) - toInt64(part.2) AS difference,
    toInt64(counted) - toInt64(length(of_official_day)) AS shifted,
    length(of_official_day) - length(in_time) AS late,
    length(in_time) - customers AS repeated,
    toInt64(customers) - toInt64(part.2) AS unexplained,
    toBool(empty(happened)) AS is_silent
FROM (
    SELECT
        corp_id, business_date, staff_id,
        argMaxIf(d.counts, d.version, d.metric = '') AS counts,
        maxIf(d.version.1, d.metric = '') AS published,
        groupArrayIf((d.metric, d.customer_id, d.at, d.is_counted, d.is_official), d.metric != '') AS happened
    FROM (
        SELECT
            corp_id, business_date, staff_id, '' AS metric, (new_contact_cnt, negative_feedback_cnt, new_apply_cnt, removed) AS counts,
            (published_at, src_partition, src_offset) AS version, '' AS customer_id, published_at AS at, false AS is_counted,
            false AS is_official
        FROM official_log FINAL
        UNION ALL
        SELECT
            corp_id, business_date, staff_id,
            multiIf(type = 'friend.added', 'adds', type = 'friend.requested', 'requests_out', 'deletes_by_customer'),
            (toUInt64(0), toUInt64(0), toUInt64(0), false), (recorded_at, toUInt32(0), toUInt64(0)), customer_id, recorded_at,
            is_counted, is_official
        FROM (
            SELECT
                corp_id, business_date, staff_id, type, channel_group, direction, customer_id, recorded_at, true AS is_counted,
                toDate(occurred_at, 'Asia/Shanghai') = business_date AS is_official
            FROM events
            -- No zone is a day or more from Beijing's: its day is the business day, the one before, or the one after. By sums,
            -- which the key of the facts can turn round, and not by a conversion of their times.
            UNION ALL
            SELECT
                corp_id, e.business_date + 1, staff_id, type, channel_group, direction, customer_id, recorded_at, false, true
            FROM events AS e
            WHERE toDate(occurred_at, 'Asia/Shanghai') = e.business_date + 1
            UNION ALL
            SELECT
                corp_id, e.business_date - 1, staff_id, type, channel_group, direction, customer_id, recorded_at, false, true
            FROM events AS e
            WHERE toDate(occurred_at, 'Asia/Shanghai') = e.business_date - 1
        )
        WHERE type = 'friend.deleted_by_customer' OR type = 'friend.added' AND channel_group != 'transfer'
            OR type = 'friend.requested' AND direction = 'out'
    ) AS d
    GROUP BY corp_id, business_date, staff_id
    HAVING countIf(d.metric = '') > 0 AND NOT counts.4
)
ARRAY JOIN [('adds', counts.1), ('deletes_by_customer', counts.2), ('requests_out', counts.3)] AS part
COMMENT 'ADS 官方统计对照：日×员工×指标，差异按原因拆分 / official statistics beside the counts by day, member and counter, with the difference by cause';
