//! A hand-made month: what is usual, and a day that is unlike it.
//!
//! Invariant: the day is today, in a zone where it is about noon, so that nothing depends on when the tests run.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;
use yinliu::{config, event::LATE_ADD_MS};

use crate::support::refreshed::{Happening, Kind, Refreshed};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const NOON_MS: i64 = 12 * HOUR_MS;

#[allow(clippy::disallowed_methods, reason = "the board compares with the clock of the server")]
pub(super) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A zone in which it is between 12:00 and 13:00 now.
fn noon() -> (String, i64) {
    let hour = now_ms() / HOUR_MS % 24;
    let ahead = 12 - hour;
    let sign = if ahead > 0 { "-" } else { "+" };
    (format!("Etc/GMT{sign}{}", ahead.abs()), ahead * HOUR_MS)
}

/// Milliseconds of a time of day of the day so many days ago.
pub(super) struct Clock(i64);

impl Clock {
    pub(super) fn at(&self, days_ago: i64, hour: i64, minute: i64) -> i64 {
        self.0 - days_ago * DAY_MS + hour * HOUR_MS + minute * 60_000
    }
}

/// The business day so many days ago.
pub(super) fn day(days_ago: i64) -> String {
    let noon = jiff::Timestamp::from_millisecond(today().at(days_ago, 12, 0) + noon().1).unwrap();
    noon.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Today, by its midnight.
pub(super) fn today() -> Clock {
    let (_, ahead) = noon();
    let local = now_ms() + ahead;
    Clock(local - local.rem_euclid(DAY_MS) - ahead)
}

fn event(at_ms: i64, kind: Kind, staff: &str, customer: &str) -> Happening {
    let customer = if customer.is_empty() { String::new() } else { format!("secret-{customer}") };
    Happening::new(at_ms, kind, staff, &customer)
}

/// A first day; three like weekdays of 12 adds in the morning and 8 in the evening, half of them of each store; yesterday 3 adds, and
/// 100 requests of which 50 are accepted half an hour later and one in the evening; today 5 adds of s1 and nothing of s2, 20 requests that nobody accepts.
fn history(clock: &Clock) -> Vec<Happening> {
    let mut events = vec![event(clock.at(22, 9, 0), Kind::Add, "s1", "first")];
    for week in 1..=3 {
        for n in 0..10 {
            let (hour, minute) = if n < 6 { (9, n) } else { (18, n) };
            let at = clock.at(week * 7, hour, minute);
            events.push(event(at, Kind::Add, "s1", &format!("w{week}-{n}")));
            events.push(event(at + 2_000, Kind::Add, "s2", &format!("v{week}-{n}")));
        }
    }
    for n in 0..100 {
        events.push(event(clock.at(1, 9, 0) + n, Kind::Request, "s1", &format!("r{n}")));
    }
    for n in 0..50 {
        events.push(event(clock.at(1, 9, 30) + n, Kind::Add, "s1", &format!("r{n}")));
    }
    // At the age that the requests of today have, nobody had accepted this one.
    events.push(event(clock.at(1, 20, 0), Kind::Add, "s1", "r60"));
    events.extend((0..3).map(|n| event(clock.at(1, 10, n), Kind::Add, "s1", &format!("y{n}"))));
    events.extend((0..20).map(|n| event(clock.at(0, 9, 0) + n, Kind::Request, "s1", &format!("q{n}"))));
    let today = [
        // The first is a friend of a colleague already.
        (10, 0, Kind::Add, "v1-0"),
        (10, 1, Kind::Add, "a2"),
        (10, 2, Kind::Add, "a3"),
        (10, 3, Kind::Add, "a4"),
        (10, 4, Kind::Add, "a5"),
        (10, 20, Kind::Inbound, "a4"),
        (10, 30, Kind::Customer, "a2"),
        (10, 40, Kind::Staff, "a3"),
    ];
    events.extend(today.map(|(hour, minute, kind, customer)| event(clock.at(0, hour, minute), kind, "s1", customer)));
    let sent = event(clock.at(0, 11, 0), Kind::Broadcast, "s1", "");
    events.push(Happening { amount: 10, channel: "task".to_owned(), ..sent });
    events.push(event(clock.at(0, 11, 30), Kind::Customer, "s1", "a5"));
    events
}

/// A corp whose first day is today, and a corp all of whose adds come late: each has adds of yesterday and of a week ago
/// that came late.
pub(super) const FIRST_DAY: &str = "first-day";
pub(super) const ALWAYS_LATE: &str = "always-late";
/// A corp two of whose stores have as much, the second since 20 s before the first, within one minute.
pub(super) const TIED: &str = "tied";
/// A corp whose second store overtook the first ten minutes ago.
pub(super) const OVERTAKEN: &str = "overtaken";

/// Of the corps whose stores are near each other.
fn of_rivals(clock: &Clock) -> Vec<Happening> {
    let add = |corp: &str, staff: &str, at_ms: i64| {
        let corp = corp.to_owned();
        // An even second is one of the store.
        let at_ms = at_ms / 2_000 * 2_000;
        Happening { corp, ..event(at_ms, Kind::Add, staff, &format!("{staff}-{at_ms}")) }
    };
    let (morning, lately) = (clock.at(0, 9, 0), now_ms() - 600_000);
    let mut events = vec![add(TIED, "s1", morning + 40_000), add(TIED, "s2", morning + 20_000)];
    events.extend((0..3).map(|n| add(OVERTAKEN, "s1", morning + n * 60_000)));
    events.extend([0, 60_000].map(|apart| add(OVERTAKEN, "s2", morning + apart)));
    events.extend([0, 4_000].map(|apart| add(OVERTAKEN, "s2", lately + apart)));
    events
}

/// In time, and late.
fn of_others(clock: &Clock) -> [Vec<Happening>; 2] {
    let add = |corp: &str, days_ago| {
        let corp = corp.to_owned();
        Happening { corp, ..event(clock.at(days_ago, 9, 0), Kind::Add, "s1", &format!("d{days_ago}")) }
    };
    let late = [add(FIRST_DAY, 1), add(FIRST_DAY, 7), add(FIRST_DAY, 8), add(ALWAYS_LATE, 1), add(ALWAYS_LATE, 7)];
    [vec![add(FIRST_DAY, 0)], late.to_vec()]
}

/// The directory, a target, two contests, two corrections of which one moved adds between channels, and a code with an add every five minutes until 10:00.
async fn tell(refreshed: &Refreshed, clock: &Clock) {
    let instant = |ms: i64| format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')");
    let date = |ms: i64| format!("toDate(fromUnixTimestamp64Milli(toInt64({ms}), 'UTC'))");
    // Noon of a day is that day in UTC as well, for the zone is at most twelve hours away.
    let (today, yesterday) = (date(clock.0 + NOON_MS), date(clock.0 + NOON_MS - DAY_MS));
    for (offset, staff, name, store) in [(0, "s1", "甲", "一店"), (1, "s2", "乙", "二店")] {
        refreshed
            .execute(&format!(
                "INSERT INTO org_log (corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, active, \
                 valid_from, published_at, src_offset) VALUES ('c', '{staff}', '{name}', 'store-{staff}', '{store}', 'r', \
                 '大区', 1, now64(3), now64(3), {offset})"
            ))
            .await;
    }
    // Whoever left today was at work yesterday.
    for (offset, active, from) in [(2, 1, clock.at(30, 0, 0)), (3, 0, clock.at(0, 0, 0))] {
        refreshed
            .execute(&format!(
                "INSERT INTO org_log (corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, active, \
                 valid_from, published_at, src_offset) SELECT 'c', 's3', '丙', 'store-s2', '二店', 'r', '大区', {active}, \
                 {at}, {at}, {offset}",
                at = instant(from)
            ))
            .await;
    }
    for corp in ["c", FIRST_DAY, ALWAYS_LATE, TIED, OVERTAKEN] {
        let row = format!("INSERT INTO corp_activity (corp_id, last_event_at) VALUES ('{corp}', now64(3))");
        refreshed.execute(&row).await;
    }
    let target = format!("SELECT 'c', 'corp', '', {today}, 'adds', 20, now64(3)");
    refreshed
        .execute(&format!(
            "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at) {target}"
        ))
        .await;
    for (contest, level, ids) in [("k1", "store", "['store-s1', 'store-s2']"), ("k2", "staff", "['s1', 's2']")] {
        let (starts, ends) = (instant(clock.at(0, 10, 0)), instant(clock.at(0, 18, 0)));
        refreshed
            .execute(&format!(
                "INSERT INTO contest_log (corp_id, contest_id, name, level, ids, metric, basis, starts_at, ends_at, \
                 published_at) SELECT 'c', '{contest}', 'PK', '{level}', {ids}, 'adds', 'total', {starts}, {ends}, now64(3)"
            ))
            .await;
    }
    refreshed
        .execute(&format!(
            "INSERT INTO amendment_log (corp_id, business_date, reason, metric, region_id, store_id, staff_id, channel, before, \
             after) SELECT 'c', {yesterday}, 'duplicate', 'adds', 'r', 'store-s2', 's2', 'cashier', 4, 3"
        ))
        .await;
    for (channel, before, after) in [("cashier", 5, 3), ("badge", 2, 4)] {
        refreshed
            .execute(&format!(
                "INSERT INTO amendment_log (corp_id, business_date, reason, metric, region_id, store_id, staff_id, channel, \
                 before, after) SELECT 'c', {yesterday}, 'recount', 'adds', 'r', 'store-s1', 's1', '{channel}', {before}, {after}"
            ))
            .await;
    }
    let last = clock.at(0, 9, 59);
    refreshed
        .execute(&format!(
            "INSERT INTO facts (corp_id, business_date, type, staff_id, store_id, region_id, src_topic, src_offset, event_id, \
             occurred_at, recorded_at, channel, state) SELECT 'c', {today}, 'friend.added', 's9', 'store-s1', 'r', 'codes', \
             number, toString(number), fromUnixTimestamp64Milli(toInt64({last} - number * 300000), 'UTC') AS at, at, 'badge', \
             'qr-1' FROM numbers(12)"
        ))
        .await;
}

/// The month, counted and refreshed, in a database that the tests of this file share.
pub(super) async fn month() -> Refreshed {
    static MONTH: OnceCell<config::Config> = OnceCell::const_new();
    let config = MONTH
        .get_or_init(|| async {
            let (zone, _) = noon();
            let zones = ["c", FIRST_DAY, ALWAYS_LATE, TIED, OVERTAKEN].map(|corp| (corp, zone.as_str()));
            let mut refreshed = Refreshed::with_zones("board", &zones).await;
            let clock = today();
            let [in_time, others_late] = of_others(&clock);
            refreshed.count(&[history(&clock), in_time, of_rivals(&clock)].concat()).await;
            // Two adds of the day before yesterday come late, by as little as is called so.
            let late = (0..2).map(|n| event(clock.at(2, 10, 20 + n), Kind::Add, "s1", &format!("l{n}")));
            refreshed.count_after(&late.chain(others_late).collect::<Vec<_>>(), LATE_ADD_MS + 1).await;
            tell(&refreshed, &clock).await;
            refreshed.complete_through(now_ms()).await;
            refreshed.refresh().await;
            refreshed.config
        })
        .await;
    Refreshed::over(config.clone())
}
