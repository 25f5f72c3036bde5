//! How looks are shown: as lines, which a terminal shows in place of those before, and anything else below them.
//!
//! Invariant: a terminal is left as it was found, with its cursor and what stood on it.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
};

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use indicatif::HumanCount;

use super::look::{Corp, Leader, Look, Topic};

/// Another screen, without a cursor; and back.
const OPEN: &str = "\x1b[?1049h\x1b[?25l";
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";
/// The first place of the screen; the rest of a line, of the screen is cleared.
const HOME: &str = "\x1b[H";
const LINE_END: &str = "\x1b[K\r\n";
const SCREEN_END: &str = "\x1b[J";

/// Between the columns of a table, and between two tables.
const GAP: &str = "  ";
const WIDE_GAP: &str = "      ";

/// What is not known.
const UNKNOWN: &str = "–";

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    is_terminal: bool,
}

impl Screen {
    pub(super) fn open(is_terminal: bool) -> io::Result<Self> {
        if is_terminal {
            write!(io::stdout(), "{OPEN}")?;
        }
        Ok(Self { is_terminal })
    }

    /// Columns that there are; no end of them elsewhere than on a terminal.
    pub(super) fn width(&self) -> usize {
        if self.is_terminal { usize::from(console::Term::stdout().size().1) } else { usize::MAX }
    }

    pub(super) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.is_terminal {
            return writeln!(out, "{}\n", lines.join("\n"));
        }
        let (rows, columns) = console::Term::stdout().size();
        let fit = lines.iter().take(usize::from(rows).saturating_sub(1));
        let fit = fit.map(|line| truncate_str(line, usize::from(columns), "").into_owned() + LINE_END);
        write!(out, "{HOME}{}{SCREEN_END}", fit.collect::<String>())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            // Whoever closed the terminal does not miss it.
            let _ = write!(io::stdout(), "{CLOSE}").and_then(|()| io::stdout().flush());
        }
    }
}

/// The newest look, with rates over all of them; `trouble` is why there is no newer one.
pub(super) fn lines(looks: &VecDeque<Look>, trouble: Option<&str>, width: usize) -> Vec<String> {
    let (Some(first), Some(last)) = (looks.front(), looks.back()) else { return Vec::new() };
    let mut lines = topics(first, last);
    lines.extend(last.kafka.as_ref().map(|why| format!("no lag is known: {why}")));
    lines.push(String::new());
    lines.extend(corps(&last.corps));
    lines.push(String::new());
    lines.extend(leaders(&last.leaders, width));
    if let Some(trouble) = trouble {
        lines.extend([String::new(), format!("what stands above is old: {trouble}")]);
    }
    lines
}

fn topics(first: &Look, last: &Look) -> Vec<String> {
    let seconds = last.at.saturating_sub(first.at).as_secs_f64();
    let rate = |now: u64, before: u64| {
        if seconds > 0.0 { rate(as_f64(now.saturating_sub(before)) / seconds) } else { UNKNOWN.to_owned() }
    };
    let row = |name: &str, now: Topic, before: Topic| {
        let lag = now.lag.map_or_else(|| UNKNOWN.to_owned(), |lag| HumanCount(lag).to_string());
        vec![
            name.to_owned(),
            rate(now.received, before.received),
            rate(now.counted, before.counted),
            rate(now.duplicate, before.duplicate),
            rate(now.rejected, before.rejected),
            lag,
        ]
    };
    let before = |name: &String| first.topics.get(name).copied().unwrap_or_default();
    let titles = ["topic", "records/s", "counted/s", "repeated/s", "refused/s", "lag"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(last.topics.iter().map(|(name, now)| row(name, *now, before(name))));
    let all = |look: &Look| look.topics.values().copied().fold(Topic { lag: Some(0), ..Topic::default() }, add);
    rows.push(row("all", all(last), all(first)));
    table(&rows, 1)
}

/// Both; the lag of both is known where each is.
fn add(one: Topic, other: Topic) -> Topic {
    Topic {
        received: one.received + other.received,
        rejected: one.rejected + other.rejected,
        duplicate: one.duplicate + other.duplicate,
        counted: one.counted + other.counted,
        lag: one.lag.zip(other.lag).map(|(one, other)| one + other),
    }
}

fn corps(corps: &[Corp]) -> Vec<String> {
    if corps.is_empty() {
        return vec!["nothing is counted yet".to_owned()];
    }
    let titles = ["corp", "business day", "adds", "net adds", "behind", "complete through", "last event"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(corps.iter().map(|corp| {
        let Corp { id, day, adds, net_adds, behind_s, complete_through, last_event_at } = corp;
        let clock = |instant: &jiff::Zoned| {
            let form = if instant.date() == *day { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
            instant.strftime(form).to_string()
        };
        vec![
            id.clone(),
            day.to_string(),
            HumanCount(*adds).to_string(),
            signed(*net_adds),
            format!("{} s", HumanCount(u64::from(*behind_s))),
            clock(complete_through),
            clock(last_event_at),
        ]
    }));
    table(&rows, 1)
}

/// Stores and staff, beside one another where there is room.
fn leaders(leaders: &[Leader], width: usize) -> Vec<String> {
    let of = |level: &str| {
        let mut rows = vec![["#", level, "adds", "net adds", "1 h"].map(str::to_owned).to_vec()];
        rows.extend(leaders.iter().filter(|leader| leader.level == level).map(|leader| {
            let name = format!("{} {}", leader.id, leader.name);
            let (adds, net_adds) = (HumanCount(leader.adds).to_string(), signed(leader.net_adds));
            vec![leader.rank.to_string(), name, adds, net_adds, moved(leader)]
        }));
        table(&rows, 2)
    };
    let (stores, staff) = (of("store"), of("staff"));
    let widest = |lines: &[String]| lines.iter().map(|line| measure_text_width(line)).max().unwrap_or(0);
    let wide = widest(&stores);
    if wide + WIDE_GAP.len() + widest(&staff) > width {
        return [stores, vec![String::new()], staff].concat();
    }
    let count = stores.len().max(staff.len());
    let line = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or_default();
    let beside = (0..count).map(|at| {
        let left = line(&stores, at);
        let both = format!("{}{WIDE_GAP}{}", pad_str(&left, wide, Alignment::Left, None), line(&staff, at));
        both.trim_end().to_owned()
    });
    beside.collect()
}

/// Places won or lost within the last hour.
fn moved(leader: &Leader) -> String {
    let (now, before) = (leader.rank, leader.rank_hour_ago);
    if before == 0 {
        return String::new();
    }
    match now.cmp(&before) {
        std::cmp::Ordering::Less => format!("▲{}", before - now),
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!("▼{}", now - before),
    }
}

/// Rows as lines, each column as wide as its widest cell; the first `text` columns stand to the left, the others to the right.
fn table(rows: &[Vec<String>], text: usize) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let side = if column < text { Alignment::Left } else { Alignment::Right };
            pad_str(cell, *width, side, None)
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Below ten with a decimal: one record in ten seconds is something.
fn rate(per_second: f64) -> String {
    if per_second < 9.95 {
        return format!("{per_second:.1}");
    }
    format!("{per_second:.0}").parse().map_or_else(|_| UNKNOWN.to_owned(), |whole| HumanCount(whole).to_string())
}

fn signed(count: i64) -> String {
    let sign = if count < 0 { "-" } else { "" };
    format!("{sign}{}", HumanCount(count.unsigned_abs()))
}

#[allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "records of ten seconds")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{Timestamp, civil::date, tz::TimeZone};

    use super::*;

    fn look(second: u64, received: u64, lag: Option<u64>) -> Look {
        let topic = Topic { received, rejected: 1, duplicate: 2, counted: received - 3, lag };
        let idle = Topic { lag: Some(0), ..Topic::default() };
        Look {
            at: Duration::from_secs(second),
            topics: [("t.friend".to_owned(), topic), ("t.order".to_owned(), idle)].into(),
            ..Look::default()
        }
    }

    fn leader(level: &str, id: &str, rank: u32, rank_hour_ago: u32) -> Leader {
        let name = "南京西路".to_owned();
        Leader { level: level.to_owned(), id: id.to_owned(), name, adds: 1_200, net_adds: -3, rank, rank_hour_ago }
    }

    fn check(looks: impl IntoIterator<Item = Look>, width: usize, expected: &str) {
        let lines = lines(&looks.into_iter().collect(), None, width);
        assert_eq!(lines.join("\n").trim_end(), expected.trim_matches('\n'), "\n{}", lines.join("\n"));
    }

    #[test]
    fn rates_are_over_the_looks_and_unknown_with_one() {
        let nothing = "\n\nnothing is counted yet\n\n#  store  adds  net adds  1 h      #  staff  adds  net adds  1 h";
        check(
            [look(0, 10_000, Some(7)), look(4, 30_000, Some(7)), look(10, 60_000, Some(1_234))],
            100,
            &format!(
                "topic     records/s  counted/s  repeated/s  refused/s    lag\n\
                 t.friend      5,000      5,000         0.0        0.0  1,234\n\
                 t.order         0.0        0.0         0.0        0.0      0\n\
                 all           5,000      5,000         0.0        0.0  1,234{nothing}"
            ),
        );
        check(
            [look(0, 10_000, None)],
            100,
            &format!(
                "topic     records/s  counted/s  repeated/s  refused/s  lag\n\
                 t.friend          –          –           –          –    –\n\
                 t.order           –          –           –          –    0\n\
                 all               –          –           –          –    –{nothing}"
            ),
        );
    }

    #[test]
    fn ledger_that_went_back_has_no_rate_below_zero() {
        let shown = lines(&[look(0, 10_000, None), look(1, 9_000, None)].into(), None, 100);
        assert!(shown[1].contains(" 0.0 ") && !shown[1].contains('-'), "{}", shown[1]);
    }

    #[test]
    fn leaders_stand_beside_one_another_where_there_is_room() {
        let all = vec![leader("store", "S1", 1, 3), leader("store", "S20", 2, 1), leader("staff", "T1", 1, 0)];
        assert_eq!(
            leaders(&all, 80),
            [
                "#  store          adds  net adds  1 h      #  staff         adds  net adds  1 h",
                "1  S1 南京西路   1,200        -3   ▲2      1  T1 南京西路  1,200        -3",
                "2  S20 南京西路  1,200        -3   ▼1",
            ]
        );
        let narrow = leaders(&all, 60);
        assert_eq!(narrow.len(), 6, "{narrow:#?}");
        assert_eq!(narrow[4], "#  staff         adds  net adds  1 h");
    }

    #[test]
    fn instants_of_another_day_carry_it() {
        let instant = |ms| Timestamp::from_millisecond(ms).unwrap().to_zoned(TimeZone::get("Asia/Shanghai").unwrap());
        let corp = Corp {
            id: "ww1".to_owned(),
            day: date(2026, 11, 11),
            adds: 5_230,
            net_adds: 5_011,
            behind_s: 1,
            complete_through: instant(1_794_330_000_000),
            last_event_at: instant(1_794_326_399_000),
        };
        let shown = corps(&[corp]);
        assert_eq!(
            shown,
            [
                "corp  business day   adds  net adds  behind  complete through           last event",
                "ww1     2026-11-11  5,230     5,011     1 s          01:00:00  2026-11-10 23:59:59",
            ]
        );
    }

    #[test]
    fn trouble_and_an_unknown_lag_are_told() {
        let unanswered = Look { kafka: Some("no answer".to_owned()), ..look(0, 10, None) };
        let shown = lines(&[unanswered].into(), Some("ClickHouse went away"), 100).join("\n");
        assert!(shown.contains("no lag is known: no answer"), "{shown}");
        assert!(shown.ends_with("what stands above is old: ClickHouse went away"), "{shown}");
    }
}
