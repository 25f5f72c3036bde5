//! The hand-made stories of `tests/stories/`: what happened, step by step, and the rows that must come out.
//!
//! Invariant: each story is a corp of its own, and all are told in one database; a step is counted, refreshed and
//! looked at before the next, so that late facts reopen what had been computed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;

use crate::{
    lineage,
    support::refreshed::{Cell, Figures, Happening, Kind, Refreshed, instant},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    title: String,
    #[serde(default = "shanghai")]
    zone: String,
    steps: Vec<Step>,
}

fn shanghai() -> String {
    "Asia/Shanghai".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Everything until then is counted; wall time of the story's zone, as all of its times.
    through: String,
    /// When all records of the step were written; by default each half a second after its event.
    #[serde(default)]
    recorded: Option<String>,
    /// Time, kind, member of staff, customer; then the channel (`cashier` by default), of an order its amount.
    events: Vec<Vec<String>>,
    /// All episodes after this step.
    #[serde(default)]
    episodes: Option<Vec<Expected>>,
    /// By `day staff channel`; figures that are not named may be anything.
    #[serde(default)]
    figures: BTreeMap<String, Figures>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    customer: String,
    staff: String,
    number: u32,
    number_in_corp: u32,
    begun_by: String,
    began: String,
    ended_by: String,
    ended: String,
    lost_by: String,
    handed_to: String,
}

/// All stories by the id of their corp, which is their name.
fn stories() -> BTreeMap<String, Story> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let story = |entry: fs::DirEntry| {
        let name = entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(entry.path()).unwrap();
        let story: Story = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(story.zone != shanghai(), name.starts_with("ny"), "{name}: its name tells its zone");
        (name, story)
    };
    fs::read_dir(folder).unwrap().map(|entry| story(entry.unwrap())).collect()
}

impl Story {
    /// The events of a step, each with the timestamp of its record.
    fn records(&self, corp: &str, step: usize) -> Vec<(Happening, i64)> {
        let recorded_ms = self.steps[step].recorded.as_ref().map(|text| instant(text, &self.zone));
        let events = self.steps[step].happenings(corp, &self.zone, step).into_iter();
        events.map(|event| (event.clone(), recorded_ms.unwrap_or(event.at_ms + 500))).collect()
    }
}

impl Step {
    fn happenings(&self, corp: &str, zone: &str, step: usize) -> Vec<Happening> {
        let happening = |(number, event): (usize, &Vec<String>)| {
            let kind: Kind = serde_json::from_value(event[1].clone().into()).unwrap();
            let last = event.get(4).cloned();
            let amount = last.as_ref().filter(|_| kind == Kind::Order).map_or(0, |amount| amount.parse().unwrap());
            Happening {
                at_ms: instant(&event[0], zone),
                corp: corp.to_owned(),
                customer: event[3].clone(),
                staff: event[2].clone(),
                kind,
                id: format!("e{step}-{number}"),
                channel: last.filter(|_| kind != Kind::Order).unwrap_or_else(|| "cashier".to_owned()),
                amount,
            }
        };
        self.events.iter().enumerate().map(happening).collect()
    }
}

async fn check(refreshed: &Refreshed, corp: &str, story: &Story, step: usize) {
    let (told, place) = (&story.steps[step], format!("{corp} step {step} ({})", story.title));
    let instant = |text: &str| if text.is_empty() { 0 } else { instant(text, &story.zone) };
    let own = |id: &str| id == corp;
    let found: Vec<_> = refreshed.episodes(corp).await.into_iter().filter(|episode| own(&episode.corp)).collect();
    if let Some(expected) = &told.episodes {
        let row = |episode: &Expected| {
            let Expected { customer, staff, begun_by, ended_by, lost_by, handed_to, .. } = episode.clone();
            let (number, number_in_corp) = (episode.number, episode.number_in_corp);
            let (began_ms, ended_ms) = (instant(&episode.began), instant(&episode.ended));
            (customer, staff, number, number_in_corp, (begun_by, began_ms), (ended_by, ended_ms), lost_by, handed_to)
        };
        let expected: BTreeSet<_> = expected.iter().map(row).collect();
        let found: BTreeSet<_> = found
            .into_iter()
            .map(|found| {
                let (begun, ended) = ((found.begun_by, found.began_ms), (found.ended_by, found.ended_ms));
                let (number, number_in_corp) = (found.number, found.number_in_corp);
                (found.customer, found.staff, number, number_in_corp, begun, ended, found.lost_by, found.handed_to)
            })
            .collect();
        assert_eq!(expected, found, "{place}");
    }
    let cells = refreshed.figures(corp).await;
    check_figures(&told.figures, &cells, corp, &place);
    let told: Vec<_> = (0..=step).flat_map(|at| story.steps[at].happenings(corp, &story.zone, at)).collect();
    let recounted = lineage::figures(&told, instant(&story.steps[step].through));
    let cells: BTreeMap<_, _> = cells.into_iter().filter(|(cell, _)| own(&cell.0)).collect();
    assert_eq!(recounted, cells, "{place}: the recount");
}

fn check_figures(expected: &BTreeMap<String, Figures>, cells: &BTreeMap<Cell, Figures>, corp: &str, place: &str) {
    for (key, figures) in expected {
        let [date, staff, channel] = key.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let date = yinliu::window::date_of(date.parse().unwrap()).unwrap().0;
        // Wherever it was.
        let own = cells.iter().filter(|((of, day, _, by, through), _)| {
            (of.as_str(), *day, by.as_str(), through.as_str()) == (corp, date, staff, channel)
        });
        let mut found = Figures::new();
        for (name, value) in own.flat_map(|(_, figures)| figures) {
            *found.entry(name.clone()).or_default() += value;
        }
        assert!(!found.is_empty(), "{place}: no cell {key} in {cells:?}");
        for (name, value) in figures {
            assert_eq!(found.get(name).copied().unwrap_or(0), *value, "{place}: {name} of {key} in {found:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_story_ends_in_its_rows() {
    let stories = stories();
    assert!(stories.len() >= 60, "{} stories", stories.len());
    let corps: Vec<_> = stories.keys().map(String::as_str).collect();
    let mut refreshed = Refreshed::new("stories", &corps).await;
    // All share the instant through which everything is counted: by that, then by the number of the step.
    let mut rounds: BTreeMap<(i64, usize), Vec<&str>> = BTreeMap::new();
    for (corp, story) in &stories {
        for (at, step) in story.steps.iter().enumerate() {
            rounds.entry((instant(&step.through, &story.zone), at)).or_default().push(corp);
        }
    }
    for ((through_ms, step), corps) in rounds {
        let records = corps.iter().flat_map(|corp| stories[*corp].records(corp, step));
        refreshed.count_recorded(&records.collect::<Vec<_>>()).await;
        refreshed.complete_through(through_ms).await;
        refreshed.refresh().await;
        for corp in corps {
            check(&refreshed, corp, &stories[corp], step).await;
        }
    }
    let late = "SELECT DISTINCT toString(corp_id) AS corp FROM counts_1d_registers WHERE late ORDER BY corp";
    let late = refreshed.client.query(late).fetch_all::<String>().await.unwrap();
    let told: Vec<_> =
        stories.iter().filter(|(_, story)| story.steps.iter().any(|step| step.recorded.is_some())).collect();
    assert!(told.len() >= 5 && told.iter().map(|(corp, _)| *corp).eq(&late), "{late:?}");
}
