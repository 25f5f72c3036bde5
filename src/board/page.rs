//! The page `/`, with its first figures in the HTML.
//!
//! Invariant: pure; the page says how far its figures are complete, and without JavaScript it says the same once.

mod lists;

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::assets::template;
use super::html::{Html, number, tenths};
use super::leaderboard::Leaderboard;
use super::snapshot::{Freshness, Snapshot, State};
use super::summary::{Baseline, Envelope, Place, Summary, Target};
use super::view::{Language, Level, Metric, Order, Scope, View};
use super::words::Word;
use super::{channels::Channels, days};
use crate::event::Counter;

/// Below this base a percentage says more than is known (board, section 3).
const PERCENT_BASE_MIN: u64 = 100;
/// Stands where a figure is not known.
const NONE: &str = "—";

/// The page of a view whose figures were read `age` ago.
#[must_use]
pub fn page(view: &View, snapshot: &Snapshot, age: Duration) -> String {
    let words = Words { language: view.language };
    let envelope = Envelope::new(snapshot, age, Summary::new(snapshot));
    let freshness = &envelope.freshness;
    let board = Leaderboard::new(snapshot, view, freshness);
    let channels = Channels::new(snapshot, freshness);
    let zone = TimeZone::get(&snapshot.time_zone).unwrap_or(TimeZone::UTC);
    let mut values = fixed(words);
    values.extend(frame(words, view, freshness, &zone));
    values.extend(heading(words, view, &envelope.scope));
    values.extend(day_links(words, view, snapshot, &zone));
    values.extend(hero(words, view, &envelope.data, freshness, &zone));
    values.extend(lists::board(words, view, &board));
    values.extend(lists::channels(words, &channels));
    let foot = [snapshot.time_zone.as_str(), &number(snapshot.revision.into())];
    values.extend([
        ("zone", Html::text(&snapshot.time_zone)),
        ("day", Html::text(&envelope.business_date)),
        ("foot", words.with(Word::Foot, &foot)),
        ("open", open(words, view)),
    ]);
    Html::fill(&template("page.html"), &values).into_string()
}

/// The page of a view of which nothing is known yet: it loads its figures by itself as soon as there are some.
#[must_use]
pub fn page_without_figures(view: &View) -> String {
    let words = Words { language: view.language };
    let mut values = fixed(words);
    values.extend([
        ("state", Html::text("loading")),
        ("complete_text", Html::text(NONE)),
        ("adds", Html::text(NONE)),
        ("net_adds", Html::text(NONE)),
        ("losses", Html::text(NONE)),
        ("late_adds", Html::text(NONE)),
        ("adds_label", words.text(Word::Today)),
        ("fresh_label", words.text(Word::Unknown)),
        ("query", Html::text(&view.query())),
        ("metric", Html::text(view.metric.name())),
        ("level", Html::text(view.watched.level.name())),
        ("scope", Html::text(&view.watched.corp)),
        ("nobody_hidden", Html::text(" hidden")),
        ("zone", Html::text("UTC")),
        ("day_before_link", Html::text("?")),
        ("language_link", link(&View { language: words.other(), ..view.clone() })),
        ("open", open(words, view)),
    ]);
    values.extend(lists::templates());
    Html::fill(&template("page.html"), &values).into_string()
}

/// What a board without keys says on every page.
fn open(words: Words, view: &View) -> Html {
    let said = [("text", words.text(Word::OpenToAll))];
    if view.viewer.open { Html::fill("<p class=\"note\" id=\"open\">{{text}}</p>", &said) } else { Html::default() }
}

/// Words of one language.
#[derive(Clone, Copy)]
struct Words {
    language: Language,
}

impl Words {
    fn text(self, word: Word) -> Html {
        Html::text(word.text(self.language))
    }

    fn with(self, word: Word, values: &[&str]) -> Html {
        Html::text(&word.with(self.language, values))
    }

    fn other(self) -> Language {
        match self.language {
            Language::Zh => Language::En,
            Language::En => Language::Zh,
        }
    }

    /// More or fewer than before, as a class and in words.
    fn change(self, now: i128, before: i128) -> (Html, Html) {
        let apart = number((now - before).abs());
        match now.cmp(&before) {
            std::cmp::Ordering::Greater => (Html::text("up"), self.with(Word::More, &[&apart])),
            std::cmp::Ordering::Less => (Html::text("down"), self.with(Word::Fewer, &[&apart])),
            std::cmp::Ordering::Equal => (Html::default(), self.text(Word::Level)),
        }
    }
}

type Values = Vec<(&'static str, Html)>;

fn link(view: &View) -> Html {
    Html::text(&format!("?{}", view.query()))
}

/// What depends on nothing but the language.
fn fixed(words: Words) -> Values {
    let html_lang = |language| match language {
        Language::Zh => "zh-CN",
        Language::En => "en",
    };
    let mut values: Values = [
        ("title", Word::Title),
        ("figures", Word::Figures),
        ("same_moment", Word::SameMoment),
        ("net_label", Word::NetAdds),
        ("net_says", Word::NetSays),
        ("losses_label", Word::Losses),
        ("late_label", Word::LateAdds),
        ("late_says", Word::LateSays),
        ("leaderboard", Word::Leaderboard),
        ("levels", Word::Levels),
        ("rank_label", Word::Rank),
        ("nobody", Word::NobodyHere),
        ("channels_label", Word::Channels),
        ("channels_total", Word::ChannelsTotal),
        ("channels_say", Word::ChannelsSay),
        ("csv", Word::Csv),
        ("day_before", Word::DayBefore),
        ("other_language", Word::OtherLanguage),
    ]
    .map(|(name, word)| (name, words.text(word)))
    .into();
    values.push(("html_lang", Html::text(html_lang(words.language))));
    values.push(("language_code", Html::text(html_lang(words.other()))));
    values.push(("words", Html::text(&Word::json(words.language))));
    values
}

/// The line that says how far the figures are complete.
fn frame(words: Words, view: &View, freshness: &Freshness, zone: &TimeZone) -> Values {
    let complete = freshness.complete_through.as_deref();
    let complete_text = complete
        .and_then(|text| local(text, zone))
        .map_or_else(|| NONE.to_owned(), |at| at.strftime("%H:%M:%S").to_string());
    let lag = freshness.lag_seconds.unwrap_or(0);
    let minutes = [(lag / 60).to_string(), (lag % 60).to_string()];
    let held = freshness.holds_comparisons();
    let (label, age) = if held {
        (Word::CompleteOnly, words.with(Word::MinutesBehind, &[&minutes[0], &minutes[1]]))
    } else {
        (Word::CompleteThrough, words.with(Word::SecondsBehind, &[&lag.to_string()]))
    };
    let (note, status) = match freshness.state {
        State::Stale => (Some(Word::StaleWords), Word::StaleWords),
        State::Empty if complete.is_none() => (Some(Word::NeverWords), Word::NeverWords),
        State::Empty => (Some(Word::EmptyWords), Word::EmptyWords),
        State::Behind => (None, Word::BehindWords),
        State::Live => (None, Word::LiveWords),
    };
    vec![
        ("state", Html::text(freshness.state.name())),
        ("complete", Html::text(complete.unwrap_or_default())),
        ("complete_text", Html::text(&complete_text)),
        ("lag", Html::text(&freshness.lag_seconds.map(|lag| lag.to_string()).unwrap_or_default())),
        ("fresh_label", words.text(label)),
        ("age", if complete.is_some() { age } else { Html::default() }),
        ("fresh_words", note.map(|note| words.text(note)).unwrap_or_default()),
        ("status", words.text(status)),
        ("query", Html::text(&view.query())),
        ("metric", Html::text(view.metric.name())),
        ("level", Html::text(view.watched.level.name())),
        ("language_link", link(&View { language: words.other(), ..view.clone() })),
    ]
}

/// The scope, its size, and the path that leads back up.
fn heading(words: Words, view: &View, place: &Place) -> Values {
    let to = |level: &str, id: &str| {
        let scope = Scope { level: Level::from_name(level).unwrap_or(Level::Corp), id: id.to_owned() };
        let mut view = view.clone();
        view.from = 0;
        view.watched.level = scope.levels()[0];
        view.watched.scope = scope;
        link(&view)
    };
    let above = place.path.iter().take(place.path.len().saturating_sub(1));
    let steps = Html::join(above.map(|step| {
        let name = if step.level == Level::Corp.name() { words.text(Word::WholeCorp) } else { Html::text(&step.name) };
        Html::fill(
            "<a href=\"{{to}}\">{{name}}</a><span aria-hidden=\"true\">›</span>",
            &[("to", to(step.level, &step.id)), ("name", name)],
        )
    }));
    let here = [("label", words.text(Word::Path)), ("steps", steps), ("here", Html::text(&place.name))];
    let path = if place.path.len() < 2 {
        Html::default()
    } else {
        Html::fill("<nav class=\"path\" aria-label=\"{{label}}\">{{steps}}<b>{{here}}</b></nav>", &here)
    };
    let count = |count: usize| number(i128::try_from(count).unwrap_or(0));
    vec![
        ("scope", Html::text(&place.name)),
        ("size", words.with(Word::Size, &[&count(place.stores), &count(place.staff)])),
        ("path", path),
    ]
}

fn day_links(words: Words, view: &View, snapshot: &Snapshot, zone: &TimeZone) -> Values {
    let today = days::day_of(snapshot.clock.now, zone).unwrap_or(snapshot.day);
    let on = |day: Option<Date>| {
        let mut view = view.clone();
        view.from = 0;
        view.watched.day = day;
        link(&view)
    };
    let after = snapshot.day.checked_add(1.day()).ok().filter(|day| *day <= today);
    let after = after.map(|day| {
        let to = if day == today { None } else { Some(day) };
        Html::fill(
            "<a href=\"{{to}}\" rel=\"next\" id=\"day-after\" aria-label=\"{{label}}\">›</a>",
            &[("to", on(to)), ("label", words.text(Word::DayAfter))],
        )
    });
    let label = if snapshot.day == today { Word::Today } else { Word::OnDay };
    vec![
        ("day_before_link", on(snapshot.day.checked_sub(1.day()).ok())),
        ("day_after", after.unwrap_or_default()),
        ("day_text", Html::text(&day_text(snapshot.day, words.language))),
        ("adds_label", words.text(label)),
    ]
}

fn day_text(day: Date, language: Language) -> String {
    match language {
        Language::En => day.strftime("%a %-d %b").to_string(),
        Language::Zh => {
            let weekday = ["一", "二", "三", "四", "五", "六", "日"];
            let position = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
            format!("{}月{}日 周{}", day.month(), day.day(), weekday[position])
        }
    }
}

fn hero(words: Words, view: &View, summary: &Summary, freshness: &Freshness, zone: &TimeZone) -> Values {
    let figures = &summary.figures;
    let held = freshness.holds_comparisons();
    let count = |counter: Counter| number(figures.counters.0.get(counter).into());
    let labels = [Word::Yesterday, Word::LastWeek];
    let baselines = summary.baselines.iter().zip(labels).enumerate().map(|(position, (baseline, label))| {
        compared(words, (position, label), figures.adds(), (baseline, held), zone)
    });
    let deletes = [count(Counter::DeletesByCustomer), count(Counter::DeletesByStaff)];
    vec![
        ("at_least", if held { words.text(Word::AtLeast) } else { Html::default() }),
        ("adds", Html::text(&number(figures.adds().into()))),
        ("baselines", Html::join(baselines)),
        ("net_adds", Html::text(&number(figures.net_adds.into()))),
        ("losses", Html::text(&number(figures.losses().into()))),
        ("losses_say", words.with(Word::LossesSay, &[&deletes[0], &deletes[1]])),
        ("late_adds", Html::text(&count(Counter::LateAdds))),
        ("target", summary.target.as_ref().map(|target| bar_of(words, target, figures.adds())).unwrap_or_default()),
        ("metric_label", words.text(if view.metric == Metric::Adds { Word::Adds } else { Word::NetAdds })),
        ("unit", Html::text(if view.order == Order::Total { "value" } else { view.order.name() })),
    ]
}

/// One line of comparison: the moment, the base, how many more or fewer, and the percentage where the base carries one.
fn compared(
    words: Words,
    (position, label): (usize, Word),
    adds: u64,
    (base, held): (&Baseline, bool),
    zone: &TimeZone,
) -> Html {
    let time = base.until.as_deref().and_then(|until| local(until, zone));
    // The end of a day is the midnight of the next: 24:00 says which.
    let whole = time.as_ref().is_some_and(|at| at.date().to_string() != base.business_date);
    let time = time.map(|at| if whole { "24:00".to_owned() } else { at.strftime("%H:%M").to_string() });
    let before = base.figures.adds();
    let (class, change) = words.change(adds.into(), before.into());
    Html::fill(
        template("compared.html").trim_end(),
        &[
            ("n", Html::text(&position.to_string())),
            ("label", words.text(label)),
            ("time", Html::text(&time.unwrap_or_default())),
            ("base", Html::text(&number(before.into()))),
            ("class", if held { Html::text("held") } else { class }),
            ("change", if held { words.text(Word::Held) } else { change }),
            ("percent", if held { Html::default() } else { Html::text(&percent(adds, before)) }),
        ],
    )
}

/// How much more or less in percent; nothing below a base of 100.
fn percent(now: u64, before: u64) -> String {
    if before < PERCENT_BASE_MIN {
        return String::new();
    }
    let apart = (i128::from(now) - i128::from(before)) * 100;
    let text = tenths(apart.abs(), before);
    format!("{}{text}%", if apart < 0 { '−' } else { '+' })
}

fn bar_of(words: Words, target: &Target, adds: u64) -> Html {
    let done = tenths(i128::from(adds) * 100, target.target);
    let width = (i128::from(adds) * 100 / i128::from(target.target.max(1))).min(100);
    Html::fill(
        template("target.html").trim_end(),
        &[
            ("label", words.text(Word::Target)),
            ("target", Html::text(&number(target.target.into()))),
            ("done_label", words.text(Word::Done)),
            ("done", Html::text(&done)),
            ("width", Html::text(&width.to_string())),
        ],
    )
}

/// An instant of RFC 3339 in the zone of the corp.
fn local(text: &str, zone: &TimeZone) -> Option<Zoned> {
    Some(text.parse::<Timestamp>().ok()?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    fn check(parameters: &[(&str, &str)], age_seconds: u64) -> String {
        page(&fixture::view(parameters), &fixture::snapshot(), Duration::from_secs(age_seconds))
    }

    #[test]
    fn the_html_carries_the_first_figure_and_how_far_it_is_complete() {
        let html = check(&[], 0);
        assert!(html.contains("<b class=\"big num\" id=\"adds\">30</b>"));
        assert!(html.contains("数据完整至</span> <b class=\"num\" id=\"complete\">14:32:15</b>"));
        assert!(html.contains("慢 3 秒"));
        let first = html.find("id=\"adds\"").unwrap();
        assert!(first < 14 * 1024, "the first figure stands at byte {first}");
    }

    #[test]
    fn shown_base_and_change_give_the_shown_adds() {
        let html = check(&[("lang", "en")], 0);
        assert!(html.contains(">22</td>") && html.contains(">+8</td>"), "{html}");
        assert!(!html.contains("36.4%"), "no percentage below a base of 100");
    }

    #[test]
    fn a_stale_page_withdraws_comparisons_and_says_at_least() {
        let html = check(&[], 200);
        assert!(html.contains("data-state=\"stale\"") && html.contains("，至少"));
        assert!(html.contains("数据只完整到") && html.contains("已 3 分 23 秒"));
        assert!(!html.contains("多 8") && html.contains("等数据恢复"));
    }

    #[test]
    fn a_name_with_markup_is_shown_as_it_is() {
        let html = check(&[], 0);
        assert!(html.contains("&lt;b&gt;南京&amp;新街口店") && !html.contains("<b>南京"));
    }

    #[test]
    fn every_place_of_the_template_has_a_value() {
        for html in [check(&[], 0), page_without_figures(&fixture::view(&[]))] {
            assert!(!html.contains("{{") && !html.contains("}}"));
            assert!(!html.contains("style="), "styles would need a weaker policy");
        }
    }

    #[test]
    fn percentages_are_exact_to_a_tenth() {
        assert_eq!(percent(18_426, 17_222), "+7.0%");
        assert_eq!(percent(18_426, 18_744), "−1.7%");
        assert_eq!(percent(150, 99), "");
    }

    #[test]
    fn weekdays_are_named_in_both_languages() {
        let day = "2026-11-22".parse().unwrap();
        assert_eq!(day_text(day, Language::Zh), "11月22日 周日");
        assert_eq!(day_text(day, Language::En), "Sun 22 Nov");
    }
}
