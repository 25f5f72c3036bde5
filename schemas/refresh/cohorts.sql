-- The cohort figures of the picked days, as far as they changed; a key that lost all its members is written with zeros.
-- `horizon_ms`: the instant through which everything is known. `over`: whether the day is over by then, in the zone of
-- the corp. A member is old enough where its span `[began, began + span)` has passed by then.
INSERT INTO cohort_rows (
    corp_id, business_date, region_id, store_id, staff_id, channel,
    adds, first_adds, re_adds, new_adds, qualified_adds, lost_adds, opened_adds, matured_same_day,
    lost_same_day, opened_same_day, replied_same_day, reply_seconds, replied_1m, replied_5m, replied_30m,
    replied_2h, replied_later, matured_24h, lost_24h, purged_24h, replaced_24h, retained_24h, opened_24h,
    qualified_final, matured_7d, lost_7d, retained_7d, converted_7d, gmv_7d_fen, matured_30d, retained_30d,
    converted_30d, gmv_30d_fen, requests_out, matured_72h, passed_72h, accept_seconds,
    digest, complete_through, version)
WITH
    toInt64({{horizon_ms}}) AS horizon_ms,
    86400000 AS day_ms,
    picked AS (SELECT corp_id, business_date, over FROM values('corp_id String, business_date Date, over Bool', {{days}})),
    members AS (
        SELECT
            e.*, p.over AS over,
            toUnixTimestamp64Milli(began_at) AS began_ms,
            -- Of what lasts, or never came, the span reaches to the year 2299.
            toUnixTimestamp64Milli(lost_at) - began_ms AS kept_ms,
            toUnixTimestamp64Milli(opened_at) - began_ms AS opened_ms,
            intDiv(toUnixTimestamp64Milli(replied_at) - toUnixTimestamp64Milli(opened_at), 1000) AS reply_s,
            number_in_corp = 1 AS is_new,
            -- By what became of the friend, not of the report: or a second add would hide that the customer left. A loss
            -- itself is counted once, of the last of such adds.
            toUnixTimestamp64Milli(unfriended_at) - began_ms < day_ms AS is_spoilt,
            opened_date = business_date AS is_opened,
            is_opened AND replied_date = business_date AS is_replied,
            began_ms + day_ms <= horizon_ms AS is_day_old,
            began_ms + 7 * day_ms <= horizon_ms AS is_week_old,
            began_ms + 30 * day_ms <= horizon_ms AS is_month_old
        FROM (
            SELECT * FROM episode_rows FINAL
            WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked) AND begun_by = 'add'
        ) AS e
        INNER JOIN picked AS p ON p.corp_id = e.corp_id AND p.business_date = e.business_date
    ),
    asked AS (
        SELECT
            *,
            toUnixTimestamp64Milli(accepted_at) - toUnixTimestamp64Milli(requested_at) AS waited_ms,
            toUnixTimestamp64Milli(requested_at) + 3 * day_ms <= horizon_ms AS is_old
        FROM request_rows FINAL
        WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked) AND digest != 0
    ),
    fresh AS (
        SELECT
            corp_id, business_date, region_id, store_id, staff_id, channel,
            sumForEach(p.figures) AS figures, cityHash64(figures) AS digest
        FROM (
            SELECT corp_id, business_date, region_id, store_id, staff_id, channel, [
                count(),
                countIf(number = 1),
                countIf(number > 1),
                countIf(is_new),
                countIf(is_new AND NOT is_spoilt),
                countIf(is_new AND is_spoilt),
                countIf(is_opened),
                countIf(over),
                countIf(over AND lost_by = 'customer' AND lost_date = business_date),
                countIf(over AND is_opened),
                countIf(over AND is_replied),
                toUInt64(sumIf(reply_s, over AND is_replied)),
                countIf(over AND is_replied AND reply_s < 60),
                countIf(over AND is_replied AND reply_s >= 60 AND reply_s < 300),
                countIf(over AND is_replied AND reply_s >= 300 AND reply_s < 1800),
                countIf(over AND is_replied AND reply_s >= 1800 AND reply_s < 7200),
                countIf(over AND is_replied AND reply_s >= 7200),
                countIf(is_day_old),
                countIf(is_day_old AND lost_by = 'customer' AND kept_ms < day_ms),
                countIf(is_day_old AND lost_by = 'staff' AND kept_ms < day_ms),
                countIf(is_day_old AND lost_by = 'replaced' AND kept_ms < day_ms),
                countIf(is_day_old AND kept_ms >= day_ms),
                countIf(is_day_old AND opened_ms < day_ms),
                countIf(is_day_old AND is_new AND NOT is_spoilt),
                countIf(is_week_old),
                countIf(is_week_old AND lost_by = 'customer' AND kept_ms < 7 * day_ms),
                countIf(is_week_old AND kept_ms >= 7 * day_ms),
                countIf(is_week_old AND orders_7d > 0),
                sumIf(gmv_7d_fen, is_week_old),
                countIf(is_month_old),
                countIf(is_month_old AND kept_ms >= 30 * day_ms),
                countIf(is_month_old AND orders_30d > 0),
                sumIf(gmv_30d_fen, is_month_old),
                0, 0, 0, 0] AS figures
            FROM members
            GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, channel, arrayConcat(arrayWithConstant(33, toUInt64(0)), [
                count(),
                countIf(is_old),
                countIf(is_old AND waited_ms < 3 * day_ms),
                toUInt64(sumIf(intDiv(waited_ms, 1000), is_old AND waited_ms < 3 * day_ms))]) AS figures
            FROM asked
            GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
            UNION ALL
            SELECT corp_id, business_date, region_id, store_id, staff_id, channel, arrayWithConstant(37, toUInt64(0)) AS figures
            FROM cohort_rows
            WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
        ) AS p
        GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
    )
SELECT
    f.corp_id, f.business_date, f.region_id, f.store_id, f.staff_id, f.channel,
    f.figures[1], f.figures[2], f.figures[3], f.figures[4], f.figures[5], f.figures[6], f.figures[7],
    f.figures[8], f.figures[9], f.figures[10], f.figures[11], f.figures[12], f.figures[13], f.figures[14],
    f.figures[15], f.figures[16], f.figures[17], f.figures[18], f.figures[19], f.figures[20], f.figures[21],
    f.figures[22], f.figures[23], f.figures[24], f.figures[25], f.figures[26], f.figures[27], f.figures[28],
    f.figures[29], f.figures[30], f.figures[31], f.figures[32], f.figures[33], f.figures[34], f.figures[35],
    f.figures[36], f.figures[37],
    f.digest, fromUnixTimestamp64Milli(horizon_ms, 'UTC'), {{version}}
FROM fresh AS f
LEFT JOIN (
    SELECT corp_id, business_date, region_id, store_id, staff_id, channel, argMax(c.digest, c.version) AS digest
    FROM cohort_rows AS c
    WHERE (corp_id, business_date) IN (SELECT corp_id, business_date FROM picked)
    GROUP BY corp_id, business_date, region_id, store_id, staff_id, channel
) AS before USING (corp_id, business_date, region_id, store_id, staff_id, channel)
WHERE f.digest != before.digest;
