//! The warehouse of a brand as its pipeline leaves it, made by the engine from numbers.
//!
//! Invariant: keys, versions and parts are those of a pipeline with as many events; what is counted under a key is not.

use crate::engine::Warehouse;

/// How large the brand is, and how much of it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) staff: u64,
    /// Register rows by minute in the day so far; about one for each event.
    pub(crate) minutes: u64,
    pub(crate) facts: u64,
    /// Days that these are spread over, of which today is the last.
    pub(crate) fact_days: u64,
    /// Days before today with rows for boards, and of these the newest with rows by all dimensions too.
    pub(crate) days: u64,
    pub(crate) days_of_all: u64,
    /// Events of one flush; there is one each second.
    pub(crate) flush: u64,
}

/// Today, its midnight in Shanghai in seconds, and how long it has lasted.
pub(crate) const TODAY: &str = "2026-11-10";
pub(crate) const MIDNIGHT: u64 = 1_794_240_000;
pub(crate) const LASTED: u64 = 21 * 3_600;

pub(crate) const CHANNELS: u64 = 40;
const STORES: u64 = 800;
const REGIONS: u64 = 8;
const PARTITIONS: u64 = 16;
/// A chunk by day has 2^20 offsets: twenty million events of a day fill one in each of 16 partitions, and begin another.
const CHUNKS: u64 = 2;
/// Records that are made with one statement.
const STEP: u64 = 1_000_000;

const PLACE: &str =
    "corp_id, business_date, late, region_id, store_id, staff_id, channel, src_topic, src_partition, src_chunk";
const COUNTERS: &str = "adds, deletes_by_customer, messages_in, messages_out, exposures, events, version";

/// The values of [`PLACE`], given `staff` and `number`; `channel` and `chunk` are expressions.
fn place(day: &str, late: &str, channel: &str, chunk: &str) -> String {
    let store = format!("staff % {STORES}");
    format!(
        "'c', {day}, {late}, concat('r', toString({store} % {REGIONS})), concat('m', toString({store})), \
         concat('s', toString(staff)), {channel}, 'yinliu.friend.v1', staff % {PARTITIONS}, {chunk}"
    )
}

/// The values of a row of a channel over a region: `number` counts through regions, channels and partitions.
fn channel_place(day: &str, chunk: &str) -> String {
    format!(
        "'c', {day}, false, concat('r', toString(number % {REGIONS})), '', '', \
         concat('channel', toString(intDiv(number, {REGIONS}) % {CHANNELS})), 'yinliu.friend.v1', \
         intDiv(number, {REGIONS} * {CHANNELS}) % {PARTITIONS}, {chunk}"
    )
}

fn channel(number: &str) -> String {
    format!("concat('channel', toString({number} % {CHANNELS}))")
}

/// Everything before the first flush that is measured beside.
pub(crate) fn fill(warehouse: &Warehouse, size: &Size) {
    history(warehouse, size);
    today(warehouse, size);
    facts(warehouse, 0, size.facts, size);
    directory(warehouse, size);
    targets(warehouse, size);
    progress(warehouse);
}

/// Closed days, merged as a night leaves them.
fn history(warehouse: &Warehouse, size: &Size) {
    let Size { staff, days, days_of_all, .. } = size;
    // Each day is a partition, of which a block of an insert takes a hundred at most.
    for from in (1..=*days).step_by(50) {
        let count = 50.min(days + 1 - from);
        for_boards(warehouse, size, &format!("numbers({from}, {count})"), "1099511627776");
    }
    for from in (1..=*days_of_all).step_by(5) {
        let until = (from + 4).min(*days_of_all);
        let place = place(&format!("toDate('{TODAY}') - day"), "false", &channel("number"), "365 - day");
        warehouse.execute(&format!(
            "INSERT INTO counts_1d_registers ({PLACE}, {COUNTERS}) SELECT {place}, h % 4, h % 7 = 0, h % 9, h % 11, h % 5, 20, 1 \
             FROM (SELECT n.number AS number, intDiv(n.number, {CHANNELS}) AS staff, cityHash64(n.number, day) AS h, day FROM \
             (SELECT number AS day FROM numbers({from}, {until} - {from} + 1)) AS d CROSS JOIN numbers({staff} * {CHANNELS}) AS n)"
        ));
    }
    warehouse.execute("OPTIMIZE TABLE counts_1d_board_registers FINAL");
    warehouse.execute("OPTIMIZE TABLE counts_1d_registers FINAL");
}

/// Rows for boards of whole days: `days` is a table of how many days ago. The day comes first, so that a block meets few
/// partitions.
fn for_boards(warehouse: &Warehouse, size: &Size, days: &str, version: &str) {
    let day = format!("toDate('{TODAY}') - day");
    let channels = REGIONS * CHANNELS * PARTITIONS;
    let counters = "h % 40, h % 7, h % 900, h % 1100, h % 500, 2000";
    let last = format!("toDateTime64({MIDNIGHT} - day * 86400 + h % 86400, 3, 'UTC')");
    for (rows, place) in [
        (format!("numbers({})", size.staff), place(&day, "false", "''", "chunk")),
        (format!("numbers({channels})"), channel_place(&day, "chunk")),
    ] {
        warehouse.execute(&format!(
            "INSERT INTO counts_1d_board_registers ({PLACE}, {COUNTERS}, last_add_at) \
             SELECT {place}, {counters}, {version}, {last} FROM (SELECT n.number AS number, n.number AS staff, d.number AS day, \
             c.number AS chunk, cityHash64(n.number, d.number, c.number) AS h FROM {days} AS d CROSS JOIN {rows} AS n \
             CROSS JOIN numbers({CHUNKS}) AS c)"
        ));
    }
}

/// The day so far, up to the flushes of the last minutes.
fn today(warehouse: &Warehouse, size: &Size) {
    let Size { staff, minutes, .. } = size;
    let day = format!("toDate('{TODAY}')");
    for from in (0..*minutes).step_by(usize::try_from(STEP).unwrap_or(1)) {
        let count = STEP.min(minutes - from);
        let place = place(&day, "number % 50 = 0", &channel("intDiv(h, 100000)"), "intDiv(number, 2097152)");
        warehouse.execute(&format!(
            "INSERT INTO counts_1m_registers ({PLACE}, window_start, {COUNTERS}) SELECT {place}, \
             toStartOfMinute(toDateTime({MIDNIGHT} + intDiv(number * {LASTED}, {minutes}), 'UTC')), \
             h % 10 = 0, h % 97 = 0, h % 10 = 1, h % 10 > 3, h % 10 IN (2, 3), 1, number + 1 \
             FROM (SELECT number, cityHash64(number) AS h, h % {staff} AS staff FROM numbers({from}, {count}))"
        ));
    }
    let place = place(&day, "false", &channel("number"), "chunk");
    warehouse.execute(&format!(
        "INSERT INTO counts_1d_registers ({PLACE}, {COUNTERS}) SELECT {place}, h % 4, h % 7 = 0, h % 9, h % 11, h % 5, 20, 1 \
         FROM (SELECT n.number AS number, intDiv(n.number, {CHANNELS}) AS staff, c.number AS chunk, cityHash64(n.number, c.number) AS h \
         FROM numbers({staff} * {CHANNELS}) AS n CROSS JOIN numbers({CHUNKS}) AS c)"
    ));
    for_boards(warehouse, size, "numbers(1)", "1");
}

/// One flush at the end of the day so far, the `number`th: rows that changed, under a larger version.
pub(crate) fn flush(warehouse: &Warehouse, size: &Size, number: u64) {
    facts(warehouse, size.facts + number * size.flush, size.flush, size);
    warehouse.execute(&flush_minutes("counts_1m_registers", size, number));
    warehouse.execute(&flush_days("counts_1d_registers", size, number));
    warehouse.execute(&flush_boards("counts_1d_board_registers", size, number));
}

/// The rows by day of a flush, into a table like that of days.
pub(crate) fn flush_days(table: &str, size: &Size, number: u64) -> String {
    let (events, counters) = changed(size, number);
    format!("INSERT INTO {table} ({PLACE}, {COUNTERS}) SELECT {}, {counters} FROM ({events})", by_channel())
}

/// The rows by minute of a flush, into a table like that of minutes.
pub(crate) fn flush_minutes(table: &str, size: &Size, number: u64) -> String {
    let (events, counters) = changed(size, number);
    format!(
        "INSERT INTO {table} ({PLACE}, window_start, {COUNTERS}) SELECT {}, \
         toStartOfMinute(toDateTime({MIDNIGHT} + {LASTED} + {number}, 'UTC')), {counters} FROM ({events})",
        by_channel()
    )
}

/// The rows for boards of a flush, into a table like that for boards.
pub(crate) fn flush_boards(table: &str, size: &Size, number: u64) -> String {
    let (events, counters) = changed(size, number);
    let (day, chunk) = (format!("toDate('{TODAY}')"), (CHUNKS - 1).to_string());
    let last = format!("toDateTime64({MIDNIGHT} + {LASTED} + {number}, 3, 'UTC')");
    let (of_staff, of_channel) = (place(&day, "false", "''", &chunk), channel_place(&day, &chunk));
    format!(
        "INSERT INTO {table} ({PLACE}, {COUNTERS}, last_add_at) SELECT {of_staff}, {counters}, {last} FROM ({events}) \
         UNION ALL SELECT {of_channel}, {counters}, {last} FROM (\
         SELECT h % ({REGIONS} * {CHANNELS} * {PARTITIONS}) AS number, h FROM ({events}))"
    )
}

/// Events of a flush, and the counters and the version of the rows that they change.
fn changed(Size { staff, flush, .. }: &Size, number: u64) -> (String, String) {
    let version = 1_000_000_000 + number;
    (
        format!("SELECT number, cityHash64(number, {number}) AS h, h % {staff} AS staff FROM numbers({flush})"),
        format!("h % 10 = 0, h % 97 = 0, h % 10 = 1, h % 10 > 3, h % 10 IN (2, 3), 1, {version}"),
    )
}

/// The place of a row of all dimensions in the newest chunk.
fn by_channel() -> String {
    place(&format!("toDate('{TODAY}')"), "false", &channel("intDiv(h, 100000)"), &(CHUNKS - 1).to_string())
}

/// Facts in the order of time: adds, losses, messages and exposures of three million customers.
pub(crate) fn facts(warehouse: &Warehouse, from: u64, count: u64, size: &Size) {
    let Size { staff, facts, fact_days, .. } = size;
    let (until, before) = (from + count, (fact_days - 1) * 86_400);
    for from in (from..until).step_by(usize::try_from(STEP).unwrap_or(1)) {
        let count = STEP.min(until - from);
        let moment =
            format!("(({MIDNIGHT} - {before}) * 1000 + intDiv(number * ({before} + {LASTED}) * 1000, {facts}))");
        warehouse.execute(&format!(
            "INSERT INTO facts (corp_id, business_date, region_id, store_id, staff_id, channel, src_topic, src_partition, src_offset, \
             type, event_id, customer_id, occurred_at, recorded_at, count, extra, channel_group) \
             SELECT 'c', toDate(fromUnixTimestamp64Milli(toInt64({moment})), 'Asia/Shanghai'), concat('r', toString(staff % {STORES} % {REGIONS})), concat('m', toString(staff % {STORES})), \
             concat('s', toString(staff)), {}, 'yinliu.friend.v1', staff % {PARTITIONS}, intDiv(number, {PARTITIONS}), \
             multiIf(h % 10 = 0, 'friend.added', h % 97 = 0, 'friend.deleted_by_customer', h % 10 = 1, 'message.inbound', \
             h % 10 > 3, 'message.outbound', 'touch.exposed'), concat('e', toString(number)), \
             concat('x', toString(intDiv(h, 1000) % 3000000)), fromUnixTimestamp64Milli(toInt64({moment})), \
             fromUnixTimestamp64Milli(toInt64({moment} + 500)), 1, '{{}}', 'owned' \
             FROM (SELECT number, cityHash64(number) AS h, h % {staff} AS staff FROM numbers({from}, {count}))",
            channel("intDiv(h, 100000)")
        ));
    }
    // As a flush does: a refresh looks at what lies beyond the ledger that the one before found.
    let end = until / PARTITIONS;
    warehouse.execute(&format!(
        "INSERT INTO ledger (src_topic, src_partition, src_chunk, next_offset, version) \
         SELECT 'yinliu.friend.v1', number, bitShiftRight({end}, 17), {end}, {end} FROM numbers({PARTITIONS})"
    ));
}

/// What each member of staff and each store is to reach today.
fn targets(warehouse: &Warehouse, size: &Size) {
    for (level, letter, count) in [("staff", 's', size.staff), ("store", 'm', STORES), ("region", 'r', REGIONS)] {
        warehouse.execute(&format!(
            "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at) \
             SELECT 'c', '{level}', concat('{letter}', toString(number)), '{TODAY}', 'adds', 100, now64(3) FROM numbers({count})"
        ));
    }
}

pub(crate) fn directory(warehouse: &Warehouse, size: &Size) {
    warehouse.execute(&format!(
        "INSERT INTO org_log (corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, active, valid_from, \
         published_at, src_offset) SELECT 'c', concat('s', toString(number)), concat('name ', toString(number)), \
         concat('m', toString(number % {STORES})), concat('store ', toString(number % {STORES})), \
         concat('r', toString(number % {STORES} % {REGIONS})), concat('region ', toString(number % {STORES} % {REGIONS})), true, \
         now64(3), now64(3), number FROM numbers({})",
        size.staff
    ));
}

pub(crate) fn progress(warehouse: &Warehouse) {
    warehouse.execute(&format!(
        "INSERT INTO progress (src_topic, src_partition, complete_through) VALUES \
         ('yinliu.friend.v1', 0, fromUnixTimestamp64Milli(toInt64({} * 1000), 'UTC'))",
        MIDNIGHT + LASTED
    ));
}
