//! The children of a scope in order of rank.
//!
//! Invariant: pure; the rows of all pages add up to the scope, also where ids are missing or staff have left.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Serialize;

use super::access::sight::Sight;
use super::attention::{self, Finding, Kind};
use super::days::{DayState, Moment};
use super::rank::{self, Place, Score};
use super::reader::{Counters, EarlierChild};
use super::snapshot::{Freshness, Snapshot, rfc3339};
use super::view::{Filter, Format, Metric, Order, Scope, View};
use crate::event::Counter;

/// Rows of one page: about six screens of a phone, and a page stays well below 1,500 nodes.
pub const PAGE_ROWS: usize = 50;
/// Rows of the page of a day, which has ten other parts: three screens of a phone, and a link to all of them.
pub const TODAY_ROWS: usize = 20;
/// Rows of a wall: as many as fit beside the hero.
pub const WALL_ROWS: usize = 8;

/// Data of `/api/v1/leaderboard`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaderboard {
    pub level: &'static str,
    pub metric: &'static str,
    pub order: &'static str,
    /// The instant of `rank_before`; `null` while moves are held, and of a day that is over, where nobody moves any more.
    pub moved_since: Option<String>,
    /// Comparisons are withdrawn, for the figures are stale.
    pub held: bool,
    /// Rows of all pages.
    pub total: usize,
    pub rows: Vec<Row>,
    /// The viewer's own row; `null` where it is none of these.
    pub mine: Option<Mine>,
    /// The parameter `from` of the next page; `null` on the last.
    pub next: Option<usize>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Empty for what belongs to no child of this level.
    pub id: String,
    pub name: String,
    /// `null` where there is nothing to rank by: no id, no staff, no target.
    pub rank: Option<u32>,
    pub tied: bool,
    pub rank_before: Option<u32>,
    pub adds: u64,
    /// `null` where the losses of a person are not for the viewer.
    pub net_adds: Option<i64>,
    /// `null` until the cohorts have reached the day.
    pub qualified_adds: Option<u64>,
    pub baseline_adds: Option<u64>,
    /// Active staff as of now.
    pub staff_active: u64,
    pub target: Option<u64>,
    /// The last add, or the start of its minute where no more is known; RFC 3339, UTC.
    pub last_add_at: Option<String>,
    /// What is the matter with it.
    pub flags: Vec<Kind>,
}

/// The viewer's own row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mine {
    #[serde(flatten)]
    pub row: Row,
    /// The next rank above that somebody holds, and how much more of the metric would reach it; `null` for the first and
    /// without a rank.
    pub rank_next: Option<u32>,
    pub gap_next: Option<u64>,
}

/// The ranks within a snapshot: made once for all who look at them, for there may be thousands of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranks([[OnceLock<Ranked>; Order::ALL.len()]; Metric::ALL.len()]);

impl Ranks {
    fn of(&self, snapshot: &Snapshot, metric: Metric, order: Order) -> &Ranked {
        self.0[metric.index()][order.index()].get_or_init(|| Ranked::new(snapshot, metric, order))
    }
}

/// All children of a scope in one order.
#[derive(Clone, Debug, PartialEq)]
struct Ranked {
    children: Vec<Child>,
    /// By the position of the child.
    scores: Vec<Option<Score>>,
    /// The best first.
    places: Vec<Place>,
    /// The ranks of an hour ago by the position of the child.
    before: Vec<Option<u32>>,
}

impl Ranked {
    fn new(snapshot: &Snapshot, metric: Metric, order: Order) -> Self {
        let children = children(snapshot, metric);
        let scores: Vec<_> = children.iter().map(|child| child.score(metric, order)).collect();
        let hour_ago: Vec<_> = children.iter().map(|child| child.score_hour_ago(metric, order)).collect();
        let mut before = vec![None; children.len()];
        for Place { row, rank, .. } in rank::places(&hour_ago) {
            before[row] = rank;
        }
        Self { places: rank::places(&scores), children, scores, before }
    }
}

/// A row before it is ranked.
#[derive(Clone, Debug, PartialEq)]
struct Child {
    id: String,
    counters: Counters,
    qualified_adds: Option<u64>,
    last_add_at: Option<i64>,
    earlier: EarlierChild,
    staff_active: u64,
    target: Option<u64>,
}

impl Leaderboard {
    /// The page of a view, as far as its viewer may see it; `freshness` decides whether comparisons are held.
    #[must_use]
    pub fn new(snapshot: &Snapshot, view: &View, freshness: &Freshness) -> Self {
        let (held, compares) = (freshness.holds_comparisons(), snapshot.compares(freshness));
        let findings = attention::findings(snapshot, freshness);
        let level = snapshot.watched.level;
        let Ranked { children, scores, places, before } = snapshot.ranks.of(snapshot, view.metric, view.order);
        let own = view.viewer.own.as_ref().filter(|own| own.level == level);
        let own = own.and_then(|own| places.iter().position(|place| children[place.row].id == own.id));
        let listed: Vec<_> = places
            .iter()
            .enumerate()
            .filter(|(_, place)| children[place.row].passes(view.filter))
            .map(|(at, _)| at)
            .collect();
        let moves = !held && snapshot.instants.state == DayState::Open;
        let row = |place: &Place| {
            let child = &children[place.row];
            let rank_before = if moves { before[place.row] } else { None };
            child.row(snapshot, place, rank_before, compares, &findings)
        };
        let shown = shown(view, own, &listed);
        let rows = shown.iter().map(|&at| restricted(row(&places[at]), view.viewer.sight, own == Some(at))).collect();
        let mine = own.map(|at| {
            let next = rank::next(scores, places, at);
            Mine { row: row(&places[at]), rank_next: next.map(|next| next.rank), gap_next: next.map(|next| next.gap) }
        });
        let end = view.from.saturating_add(shown.len());
        let pages = matches!(view.viewer.sight, Sight::Whole | Sight::Siblings | Sight::Wall);
        Self {
            level: level.name(),
            metric: view.metric.name(),
            order: view.order.name(),
            moved_since: if moves { rfc3339(snapshot.instants.hour_ago.minute()) } else { None },
            held,
            total: listed.len(),
            rows,
            mine,
            next: (pages && end < listed.len() && end > view.from).then_some(end),
        }
    }
}

/// Of the positions that are listed, in order of rank, those of this page.
fn shown(view: &View, own: Option<usize>, listed: &[usize]) -> Vec<usize> {
    match view.viewer.sight {
        Sight::Whole | Sight::Siblings | Sight::Wall => {
            // A table is for a spreadsheet, which has no next page to ask for.
            let most = if view.format == Format::Csv { usize::MAX } else { PAGE_ROWS };
            listed.iter().skip(view.from).take(most).copied().collect()
        }
        Sight::Nameless => Vec::new(),
        Sight::Around { first } => {
            let near = |at: usize| at < first || own.is_some_and(|own| own.abs_diff(at) <= 1);
            listed.iter().copied().filter(|at| near(*at)).collect()
        }
    }
}

/// A row without what its viewer may not see of it.
fn restricted(row: Row, sight: Sight, is_own: bool) -> Row {
    match sight {
        Sight::Whole | Sight::Nameless => row,
        Sight::Siblings | Sight::Around { .. } | Sight::Wall if is_own => row,
        Sight::Siblings => Row { flags: Vec::new(), ..row },
        // What is lost of somebody's adds is for those above them (board, section 5).
        Sight::Around { .. } | Sight::Wall => {
            Row { net_adds: None, qualified_adds: None, last_add_at: None, flags: Vec::new(), ..row }
        }
    }
}

impl Child {
    fn row(
        &self,
        snapshot: &Snapshot,
        place: &Place,
        rank_before: Option<u32>,
        compares: bool,
        findings: &[Finding],
    ) -> Row {
        let level = snapshot.watched.level;
        Row {
            name: if self.id.is_empty() { String::new() } else { snapshot.directory.name(level, &self.id) },
            id: self.id.clone(),
            rank: place.rank,
            tied: place.tied,
            rank_before,
            adds: self.counters.get(Counter::Adds),
            net_adds: Some(self.counters.net_adds()),
            qualified_adds: self.qualified_adds,
            baseline_adds: compares.then(|| self.baseline_adds(&snapshot.instants.baselines[0])),
            staff_active: self.staff_active,
            target: self.target,
            last_add_at: self.last_add_at.and_then(rfc3339),
            flags: attention::flags(findings, &Scope { level, id: self.id.clone() }),
        }
    }

    fn value(&self, metric: Metric) -> Option<i128> {
        match metric {
            Metric::Adds => Some(i128::from(self.counters.get(Counter::Adds))),
            Metric::NetAdds => Some(i128::from(self.counters.net_adds())),
            Metric::QualifiedAdds => self.qualified_adds.map(i128::from),
        }
    }

    fn score(&self, metric: Metric, order: Order) -> Option<Score> {
        self.ratio(order, self.value(metric)?, self.last_add_at)
    }

    /// Absent for qualified adds: what was known of them an hour ago nobody wrote down; and without adds by then, or in the
    /// first hour of a day everybody would fall from a rank that all had shared.
    fn score_hour_ago(&self, metric: Metric, order: Order) -> Option<Score> {
        if self.earlier.adds_hour_ago == 0 {
            return None;
        }
        let value = match metric {
            Metric::Adds => i128::from(self.earlier.adds_hour_ago),
            Metric::NetAdds => i128::from(self.earlier.net_adds_hour_ago),
            Metric::QualifiedAdds => return None,
        };
        self.ratio(order, value, None)
    }

    fn ratio(&self, order: Order, numerator: i128, reached_at: Option<i64>) -> Option<Score> {
        let denominator = match order {
            Order::Total => 1,
            Order::PerHead => self.staff_active,
            Order::Target => self.target.unwrap_or(0),
        };
        let ranked = denominator > 0 && !self.id.is_empty();
        ranked.then_some(Score { numerator, denominator, reached_at })
    }

    fn passes(&self, filter: Filter) -> bool {
        match filter {
            Filter::All => true,
            Filter::Zero => !self.id.is_empty() && self.counters.get(Counter::Adds) == 0,
        }
    }

    fn baseline_adds(&self, moment: &Moment) -> u64 {
        let [whole, running, _] = self.earlier.baseline_adds;
        moment.count(whole, running)
    }
}

/// All children by id: those that were counted, and those where somebody is active, if only with 0 adds.
fn children(snapshot: &Snapshot, metric: Metric) -> Vec<Child> {
    let level = snapshot.watched.level;
    let mut staff_active: BTreeMap<&str, u64> = BTreeMap::new();
    for member in snapshot.directory.organisation.active(&snapshot.watched.scope) {
        if let Some(id) = member.id_at(level) {
            *staff_active.entry(id).or_default() += 1;
        }
    }
    let mut counted: BTreeMap<&str, Counters> = BTreeMap::new();
    for id in staff_active.keys() {
        counted.insert(id, Counters::default());
    }
    for (id, counters) in &snapshot.counts.children {
        // A touch without a place is no add: a row of zeros says nothing.
        if id.is_empty() && counters.get(Counter::Adds) == 0 && counters.net_adds() == 0 {
            continue;
        }
        counted.insert(id, *counters);
    }
    let cohorts = snapshot.cohorts();
    let qualified = |id: &str, counters: &Counters| {
        cohorts?.children.get(id).copied().unwrap_or_default().qualified(counters.get(Counter::Adds))
    };
    let child = |(id, counters): (&str, Counters)| Child {
        id: id.to_owned(),
        qualified_adds: qualified(id, &counters),
        counters,
        last_add_at: snapshot.last_add_at(id),
        earlier: snapshot.earlier.children.get(id).copied().unwrap_or_default(),
        staff_active: staff_active.get(id).copied().unwrap_or(0),
        target: snapshot.directory.target(level, id, metric.name()),
    };
    counted.into_iter().map(child).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::board::fixture;

    fn board(parameters: &[(&str, &str)], age_seconds: u64) -> Leaderboard {
        let view = fixture::view(parameters);
        let snapshot = fixture::snapshot();
        Leaderboard::new(&snapshot, &view, &snapshot.freshness(Duration::from_secs(age_seconds)))
    }

    fn ranks(board: &Leaderboard) -> Vec<(&str, Option<u32>)> {
        board.rows.iter().map(|row| (row.id.as_str(), row.rank)).collect()
    }

    #[test]
    fn the_rows_add_up_to_the_scope_and_name_what_belongs_nowhere() {
        let board = board(&[], 0);
        assert_eq!(ranks(&board), [("S1", Some(1)), ("S2", Some(2)), ("S3", Some(3)), ("", None)]);
        assert_eq!(board.rows.iter().map(|row| row.adds).sum::<u64>(), 30);
    }

    #[test]
    fn an_active_place_without_adds_is_listed_with_zero() {
        let row = board(&[], 0).rows.into_iter().find(|row| row.id == "S3").unwrap();
        assert_eq!((row.adds, row.staff_active, row.name.as_str()), (0, 1, "苏州观前街店"));
    }

    #[test]
    fn per_head_ranks_by_active_staff_and_leaves_out_who_has_none() {
        assert_eq!(ranks(&board(&[("order", "per_head")], 0))[..2], [("S2", Some(1)), ("S1", Some(2))]);
        assert_eq!(ranks(&board(&[("order", "target")], 0))[0], ("S1", Some(1)));
        assert_eq!(ranks(&board(&[("order", "target")], 0))[1].1, None);
    }

    #[test]
    fn moves_and_baselines_are_withdrawn_when_stale() {
        let live = board(&[], 0);
        assert_eq!((live.rows[0].rank_before, live.rows[0].baseline_adds), (Some(2), Some(11)));
        let stale = board(&[], 600);
        assert!(stale.held && stale.moved_since.is_none());
        assert_eq!((stale.rows[0].rank_before, stale.rows[0].baseline_adds), (None, None));
        let mut snapshot = fixture::snapshot();
        snapshot.counted_since = Some(snapshot.instants.baselines[0].day);
        let first = Leaderboard::new(&snapshot, &fixture::view(&[]), &snapshot.freshness(Duration::ZERO));
        assert_eq!((first.rows[0].rank_before, first.rows[0].baseline_adds), (Some(2), None), "not all was counted");
        assert_eq!(stale.rows[0].adds, live.rows[0].adds);
    }

    #[test]
    fn who_had_no_adds_an_hour_ago_has_not_moved_since() {
        let view = fixture::view(&[]);
        let before = |had: [u64; 2]| {
            let mut snapshot = fixture::snapshot();
            for (id, adds) in ["S1", "S2"].into_iter().zip(had) {
                Arc::make_mut(&mut snapshot.earlier).children.get_mut(id).unwrap().adds_hour_ago = adds;
            }
            let board = Leaderboard::new(&snapshot, &view, &snapshot.freshness(Duration::ZERO));
            board.rows.iter().take(2).map(|row| row.rank_before).collect::<Vec<_>>()
        };
        assert_eq!(before([5, 6]), [Some(2), Some(1)]);
        assert_eq!(before([0, 6]), [None, Some(1)]);
        assert_eq!(before([0, 0]), [None, None], "the first hour of a day");
    }

    #[test]
    fn qualified_adds_rank_without_moves_and_by_nothing_where_they_are_not_known() {
        let qualified = board(&[("metric", "qualified_adds")], 0);
        assert_eq!(ranks(&qualified)[..3], [("S1", Some(1)), ("S2", Some(2)), ("S3", Some(3))]);
        assert_eq!(qualified.rows[0].qualified_adds, Some(12));
        assert_eq!(qualified.rows.iter().filter_map(|row| row.qualified_adds).sum::<u64>(), 24, "that of the scope");
        assert!(qualified.rows.iter().all(|row| row.rank_before.is_none()));
        let mut snapshot = fixture::snapshot();
        snapshot.details.cohorts = None;
        let view = fixture::view(&[("metric", "qualified_adds")]);
        let unknown = Leaderboard::new(&snapshot, &view, &snapshot.freshness(Duration::ZERO));
        assert!(unknown.rows.iter().all(|row| row.rank.is_none() && row.qualified_adds.is_none()));
    }

    #[test]
    fn the_filter_leaves_those_without_an_add_and_their_ranks() {
        let board = board(&[("filter", "zero")], 0);
        assert_eq!((ranks(&board), board.total), (vec![("S3", Some(3))], 1));
    }

    #[test]
    fn pages_hold_fifty_rows_and_lead_to_the_next() {
        let mut snapshot = fixture::snapshot();
        snapshot.counts.children =
            (0..120).map(|n| (format!("X{n:03}"), Counters::from_values(&[0, 0, 0, 0, 0, n]))).collect();
        let page = |from: &str| {
            let view = fixture::view(&[("from", from)]);
            Leaderboard::new(&snapshot, &view, &snapshot.freshness(Duration::ZERO))
        };
        let pages = ["0", "50", "100", "150"].map(page);
        assert_eq!(pages.each_ref().map(|page| page.rows.len()), [50, 50, 23, 0]);
        assert_eq!(pages.each_ref().map(|page| page.next), [Some(50), Some(100), None, None]);
        assert_eq!(pages[1].rows[0].rank, Some(51));
    }
}
