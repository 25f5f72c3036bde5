-- The episodes of the picked customers, as far as they changed.
-- One instant of one (corp, customer, staff): of friends the endings come first, of others the beginnings; what arrived
-- first decides nothing. An instant with both therefore leaves them as they were.
INSERT INTO episode_rows (
    corp_id, business_date, customer_id, src_topic, src_partition, src_offset, staff_id, region_id, store_id, channel,
    campaign_id, begun_by, number, number_in_corp, began_at, ended_at, ended_by, handed_to, lost_at, lost_by, lost_date,
    unfriended_at, unfriended_by, opened_at, opened_date, replied_at, replied_date, orders_7d, gmv_7d_fen, orders_30d,
    gmv_30d_fen, digest, version)
WITH
    toDateTime64('2299-12-31 00:00:00', 3, 'UTC') AS never,
    -- An inheritance in WeCom takes effect within 24 h: so far from the ending of one may lie the beginning of the next.
    86400000 AS transfer_ms,
    7 * 86400000 AS week_ms,
    30 * 86400000 AS month_ms,
    picked AS (SELECT corp_id, customer_id FROM refresh_queue WHERE run = {{run}} AND batch = {{batch}}),
    happened AS (
        SELECT * FROM customer_events
        WHERE (corp_id, customer_id) IN (picked)
        ORDER BY version DESC
        LIMIT 1 BY corp_id, customer_id, src_topic, src_partition, src_offset
    ),
    instants AS (
        SELECT
            corp_id, customer_id, staff_id, occurred_at,
            arraySort(groupArrayIf(tuple(event_id, toString(src_topic), src_partition, src_offset, business_date, toString(region_id), toString(store_id), toString(channel), toString(campaign_id)), kind = 'add')) AS adds,
            arraySort(groupArrayIf(tuple(event_id, toString(src_topic), src_partition, src_offset, business_date, toString(region_id), toString(store_id), toString(channel), toString(campaign_id)), kind = 'transfer_in')) AS ins,
            -- Of several endings in one instant the customer's counts first, a transfer last: a loss is not hidden.
            arraySort(x -> (indexOf(['customer', 'staff', 'transfer'], x.1), x.2), groupArrayIf(tuple(toString(kind), tuple(event_id, toString(src_topic), src_partition, src_offset, business_date, toString(region_id), toString(store_id), toString(channel), toString(campaign_id))), kind IN ('customer', 'staff', 'transfer'))) AS ends
        FROM happened
        WHERE kind IN ('add', 'transfer_in', 'customer', 'staff', 'transfer') AND NOT is_duplicate
        GROUP BY corp_id, customer_id, staff_id, occurred_at
    ),
    known AS (
        SELECT
            *,
            ifNull(anyLast(turn) OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY occurred_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS friends,
            row_number() OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY occurred_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS place
        FROM (SELECT *, multiIf(empty(ends), 1, empty(adds) AND empty(ins), 0, NULL) AS turn FROM instants)
    ),
    turns AS (
        SELECT
            *,
            -- An add while friends replaces the open episode: each counted add is a member of its day's cohort.
            multiIf(notEmpty(adds), adds, friends = 0 OR notEmpty(ends), arraySlice(ins, 1, 1), arraySlice(ins, 1, 0)) AS begins,
            if(notEmpty(ends), ends[1].1, 'replaced') AS by,
            if(notEmpty(ends), ends[1].2.5, begins[1].5) AS day,
            -- Not friends before: the beginning came first, and the ending of the same instant ends it.
            friends = 0 AND notEmpty(ends) AS is_over
        FROM known
        -- A transfer in while friends changes nothing, nor does a second ending.
        WHERE NOT (friends = 1 AND empty(ends) AND empty(adds))
            AND NOT (friends = 0 AND empty(adds) AND empty(ins) AND place > 1)
    ),
    ended AS (
        SELECT
            *,
            leadInFrame(occurred_at, 1, never) OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY occurred_at ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_at,
            leadInFrame(by, 1, '') OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY occurred_at ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_by,
            leadInFrame(day, 1, toDate(0)) OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY occurred_at ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_day
        FROM turns
    ),
    begun AS (
        SELECT
            corp_id, customer_id, staff_id, occurred_at AS at, number,
            if(empty(begins), ends[1].2, begins[number]) AS what,
            multiIf(empty(begins), 'unknown', notEmpty(adds), 'add', 'transfer') AS begun_by,
            number < length(begins) AS is_replaced,
            multiIf(is_replaced OR is_over, occurred_at, next_at) AS ended_at,
            multiIf(is_replaced, 'replaced', is_over, by, next_by) AS ended_by,
            multiIf(is_replaced, what.5, is_over, day, next_day) AS ended_date
        FROM ended
        ARRAY JOIN if(empty(begins), range(1, is_over + 1), arrayEnumerate(begins)) AS number
    ),
    -- Messages belong to the episode of the two that began last; those at or after its end to none. No figure asks for
    -- messages of other episodes than adds, or after the second day that follows; queue.sql does not look for them.
    mixed AS (
        SELECT corp_id, customer_id, staff_id, at, 0 AS is_message, 1 AS is_episode, number, what, begun_by, ended_at, ended_by, ended_date, '' AS kind
        FROM begun
        UNION ALL
        SELECT
            corp_id, customer_id, staff_id, occurred_at, 1, 0, 0,
            tuple('', '', toUInt32(0), toUInt64(0), business_date, '', '', '', ''), '', never, '', toDate(0), toString(kind)
        FROM happened
        WHERE kind IN ('inbound', 'outbound') AND NOT is_duplicate
    ),
    placed AS (
        SELECT
            *,
            sum(is_episode) OVER (PARTITION BY corp_id, customer_id, staff_id ORDER BY at, is_message, number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS place
        FROM mixed
    ),
    talked AS (
        SELECT
            corp_id, customer_id, staff_id, place,
            anyIf(p.what, p.is_message = 0) AS what, anyIf(p.begun_by, p.is_message = 0) AS begun_by,
            minIf(p.at, p.is_message = 0) AS began_at, anyIf(p.ended_by, p.is_message = 0) AS ended_by,
            anyIf(p.ended_at, p.is_message = 0) AS ended_at, anyIf(p.ended_date, p.is_message = 0) AS ended_date,
            minIf((p.at, p.what.5), p.kind = 'inbound') AS inbound,
            begun_by = 'add' AND countIf(p.kind = 'inbound') > 0 AND inbound.1 < ended_at AND inbound.2 <= what.5 + 2 AS is_opened,
            arrayFirst(x -> x.1 >= inbound.1, arraySort(groupArrayIf((p.at, p.what.5), p.kind = 'outbound'))) AS outbound,
            is_opened AND outbound.1 >= inbound.1 AND outbound.1 < ended_at AND outbound.2 <= what.5 + 2 AS is_replied
        FROM placed AS p
        GROUP BY corp_id, customer_id, staff_id, place
        HAVING place > 0
    ),
    gathered AS (
        SELECT
            corp_id, customer_id,
            arraySort(groupArray(tuple(
                began_at, indexOf(['unknown', 'transfer', 'add'], begun_by), staff_id, what, toUInt32(place), begun_by, ended_at, ended_by, ended_date,
                if(is_opened, inbound.1, never), if(is_opened, inbound.2, toDate(0)),
                if(is_replied, outbound.1, never), if(is_replied, outbound.2, toDate(0))))) AS episodes
        FROM talked
        GROUP BY corp_id, customer_id
    ),
    others AS (
        SELECT
            corp_id, customer_id,
            bitShiftLeft(toUInt64({{rules}}), 48) + count() + sum(version) AS facts,
            arraySort(groupArrayIf(tuple(occurred_at, staff_id, amount_fen), kind = 'order' AND NOT is_duplicate)) AS orders,
            groupArrayIf(tuple(business_date, toString(src_topic), src_partition, src_offset), kind IN ('add', 'transfer_in', 'customer', 'staff', 'transfer')) AS keys
        FROM happened
        GROUP BY corp_id, customer_id
    ),
    -- In levels: an alias that is used twice in its own level would be computed, and planned, twice.
    listed AS (
        SELECT
            o.corp_id AS corp_id, o.customer_id AS customer_id, o.facts AS facts, o.keys AS keys, o.orders AS orders,
            g.episodes AS episodes,
            arrayEnumerate(g.episodes) AS own,
            arrayMap(e -> toUnixTimestamp64Milli(e.1), g.episodes) AS begins_ms,
            arrayMap(e -> toUnixTimestamp64Milli(e.7), g.episodes) AS ends_ms,
            arrayMap(e -> e.3, g.episodes) AS staff,
            arrayMap(e -> e.8, g.episodes) AS endings,
            arrayFilter((i, e) -> e.6 = 'transfer', arrayEnumerate(g.episodes), g.episodes) AS received
        FROM others AS o
        LEFT JOIN gathered AS g ON g.corp_id = o.corp_id AND g.customer_id = o.customer_id
    ),
    inherited AS (
        SELECT
            *,
            -- The nearest beginning by transfer, with another member of staff, that lies later in the list.
            arrayMap(i -> if(endings[i] != 'transfer', 0,
                arraySort(j -> (abs(begins_ms[j] - ends_ms[i]), j),
                    arrayFilter(j -> j > i AND staff[j] != staff[i] AND abs(begins_ms[j] - ends_ms[i]) <= transfer_ms AND ends_ms[j] >= ends_ms[i], received))[1]), own) AS heirs
        FROM listed
    ),
    followed AS (
        SELECT
            *,
            -- An add while friends goes on with the friend of the episode that it replaces.
            arrayMap(i -> if(endings[i] = 'replaced', arrayFirst(j -> j > i AND staff[j] = staff[i], own), heirs[i]), own) AS successors
        FROM inherited
    ),
    chained AS (
        SELECT
            *,
            -- From the end of the list: what of its heir is known already.
            arrayFold((done, i) -> arrayPushFront(done, if(heirs[i] = 0, i, done[heirs[i] - i])), arrayReverse(own), CAST([], 'Array(UInt32)')) AS last,
            arrayFold((done, i) -> arrayPushFront(done, if(successors[i] = 0, i, done[successors[i] - i])), arrayReverse(own), CAST([], 'Array(UInt32)')) AS outcomes,
            -- From its start: of several that handed on to one, the earliest is its origin, so that an order counts once.
            arrayFold((done, i) -> arrayPushBack(done, if(indexOf(heirs, i) = 0, i, done[indexOf(heirs, i)])), own, CAST([], 'Array(UInt32)')) AS first
        FROM followed
    ),
    credited AS (
        SELECT
            *,
            -- The open episode at payment: with the order's own member of staff, else the one that began last.
            arrayMap(x -> (toUnixTimestamp64Milli(x.1), x.3, first[
                arrayReverseSort(j -> (staff[j] = x.2, j),
                    arrayFilter(j -> begins_ms[j] <= toUnixTimestamp64Milli(x.1) AND ends_ms[j] > toUnixTimestamp64Milli(x.1), own))[1]]), orders) AS credits
        FROM chained
    ),
    unfolded AS (
        SELECT
            corp_id, customer_id, facts, i, begins_ms[i] AS began_ms,
            if(i = 0, keys[withdrawn], (episodes[i].4.5, episodes[i].4.2, episodes[i].4.3, episodes[i].4.4)) AS key,
            episodes[i] AS e,
            if(i = 0 OR heirs[i] = 0, '', staff[heirs[i]]) AS handed_to,
            episodes[if(i = 0, 0, last[i])] AS final,
            episodes[if(i = 0, 0, outcomes[i])] AS outcome,
            arrayFilter(c -> c.3 = i AND i > 0, credits) AS credits
        FROM credited
        ARRAY JOIN
            arrayConcat(own, arrayMap(k -> toUInt32(0), keys)) AS i,
            arrayConcat(arrayMap(k -> toUInt32(0), own), arrayEnumerate(keys)) AS withdrawn
        WHERE i > 0 OR NOT has(arrayMap(e -> (e.4.5, e.4.2, e.4.3, e.4.4), episodes), keys[withdrawn])
    ),
    rows AS (
        SELECT
            *,
            arrayFilter(c -> c.1 >= began_ms AND c.1 < began_ms + week_ms, credits) AS credits_7d,
            arrayFilter(c -> c.1 >= began_ms AND c.1 < began_ms + month_ms, credits) AS credits_30d
        FROM unfolded
    ),
    fresh AS (
        SELECT
            corp_id, key.1 AS business_date, customer_id, key.2 AS src_topic, key.3 AS src_partition, key.4 AS src_offset,
            e.3 AS staff_id, e.4.6 AS region_id, e.4.7 AS store_id, e.4.8 AS channel, e.4.9 AS campaign_id, e.6 AS begun_by,
            e.5 AS number, i AS number_in_corp, e.1 AS began_at, e.7 AS ended_at, e.8 AS ended_by, handed_to,
            -- A transfer to someone unknown is no loss: nobody reported one.
            if(final.8 = 'transfer', never, final.7) AS lost_at,
            if(final.8 = 'transfer', '', final.8) AS lost_by,
            if(final.8 = 'transfer', toDate(0), final.9) AS lost_date,
            if(outcome.8 = 'transfer', never, outcome.7) AS unfriended_at,
            if(outcome.8 = 'transfer', '', outcome.8) AS unfriended_by,
            e.10 AS opened_at, e.11 AS opened_date, e.12 AS replied_at, e.13 AS replied_date,
            toUInt32(length(credits_7d)) AS orders_7d, arraySum(arrayMap(c -> c.2, credits_7d)) AS gmv_7d_fen,
            toUInt32(length(credits_30d)) AS orders_30d, arraySum(arrayMap(c -> c.2, credits_30d)) AS gmv_30d_fen,
            if(i = 0, 0, cityHash64(staff_id, region_id, store_id, channel, campaign_id, begun_by, number, number_in_corp,
                began_at, ended_at, ended_by, handed_to, lost_at, lost_by, lost_date, unfriended_at, unfriended_by, opened_at,
                opened_date, replied_at, replied_date, orders_7d, gmv_7d_fen, orders_30d, gmv_30d_fen)) AS digest,
            facts AS version
        FROM rows
    )
SELECT
    f.corp_id, f.business_date, f.customer_id, f.src_topic, f.src_partition, f.src_offset, f.staff_id, f.region_id,
    f.store_id, f.channel, f.campaign_id, f.begun_by, f.number, f.number_in_corp, f.began_at, f.ended_at, f.ended_by,
    f.handed_to, f.lost_at, f.lost_by, f.lost_date, f.unfriended_at, f.unfriended_by, f.opened_at, f.opened_date,
    f.replied_at, f.replied_date, f.orders_7d, f.gmv_7d_fen, f.orders_30d, f.gmv_30d_fen, f.digest, f.version
FROM fresh AS f
LEFT JOIN (
    SELECT corp_id, business_date, customer_id, src_topic, src_partition, src_offset, argMax(r.digest, r.version) AS digest
    FROM episode_rows AS r
    WHERE (corp_id, business_date, customer_id) IN (
        SELECT corp_id, business_date, customer_id FROM customer_events
        WHERE (corp_id, customer_id) IN (picked) AND kind IN ('add', 'transfer_in', 'customer', 'staff', 'transfer'))
    GROUP BY corp_id, business_date, customer_id, src_topic, src_partition, src_offset
) AS before USING (corp_id, business_date, customer_id, src_topic, src_partition, src_offset)
WHERE f.digest != before.digest;
