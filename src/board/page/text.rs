//! Words, numbers and times as a page writes them.
//!
//! Invariant: figures that are ranked or paid are whole; only estimates, exposures and axes are shortened.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::icons;
use crate::board::html::{Html, number, tenths};
use crate::board::view::Language;
use crate::board::words::Word;

/// Below this base a percentage says more than is known (board, section 3).
const PERCENT_BASE_MIN: i128 = 100;
/// Stands where a figure is not known.
pub(super) const NONE: &str = "—";

/// Words of one language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub(super) language: Language,
}

impl Words {
    pub(super) fn text(self, word: Word) -> Html {
        Html::text(word.text(self.language))
    }

    pub(super) fn with(self, word: Word, values: &[&str]) -> Html {
        Html::text(&word.with(self.language, values))
    }

    pub(super) fn other(self) -> Language {
        match self.language {
            Language::Zh => Language::En,
            Language::En => Language::Zh,
        }
    }

    /// A template with its values; `{{:key}}` is the word of that key and `{{icon:name}}` a picture.
    pub(super) fn fill(self, template: &str, values: &[(&str, Html)]) -> Html {
        Html::resolve(template.trim_end(), |name| {
            if let Some(key) = name.strip_prefix(':') {
                return Word::from_key(key).map(|word| self.text(word));
            }
            if let Some(icon) = name.strip_prefix("icon:") {
                return Some(icons::icon(icon));
            }
            values.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone())
        })
    }

    /// A span of time in its largest unit of which there are two or more.
    pub(super) fn span(self, seconds: u64) -> String {
        let (word, count) = match seconds {
            0..120 => (Word::Seconds, seconds),
            120..7_200 => (Word::Minutes, seconds / 60),
            _ => (Word::Hours, seconds / 3_600),
        };
        word.with(self.language, &[&number(count.into())])
    }

    /// More or fewer than before, as a class and in words.
    pub(super) fn change(self, now: impl Into<i128>, before: impl Into<i128>) -> (Html, Html) {
        let (now, before) = (now.into(), before.into());
        let apart = number((now - before).abs());
        match now.cmp(&before) {
            std::cmp::Ordering::Greater => (Html::text("up"), self.with(Word::More, &[&apart])),
            std::cmp::Ordering::Less => (Html::text("down"), self.with(Word::Fewer, &[&apart])),
            std::cmp::Ordering::Equal => (Html::default(), self.text(Word::Level)),
        }
    }

    /// In percent where the base carries one, else how many more or fewer.
    pub(super) fn against(self, now: impl Into<i128>, before: impl Into<i128>) -> (Html, Html) {
        let (now, before) = (now.into(), before.into());
        let (class, change) = self.change(now, before);
        let percent = percent(now, before);
        (class, if percent.is_empty() { change } else { Html::text(&percent) })
    }

    /// A number that is estimated or only roughly meant: 万 with two decimals, one from 100 万; k and M in English.
    pub(super) fn about(self, value: i64) -> String {
        let (unit, decimals, sign) = match (self.language, value.unsigned_abs()) {
            (_, 0..10_000) => return number(value.into()),
            (Language::Zh, 10_000..1_000_000) => (10_000, 2, " 万"),
            (Language::Zh, _) => (10_000, 1, " 万"),
            (Language::En, 10_000..1_000_000) => (1_000, 1, "k"),
            (Language::En, _) => (1_000_000, 2, "M"),
        };
        let scale: u64 = if decimals == 2 { 100 } else { 10 };
        let scaled = (value.unsigned_abs().saturating_mul(scale) + unit / 2) / unit;
        let minus = if value < 0 { "−" } else { "" };
        let part = scaled % scale;
        let whole = number((scaled / scale).into());
        if decimals == 2 { format!("{minus}{whole}.{part:02}{sign}") } else { format!("{minus}{whole}.{part}{sign}") }
    }

    /// `2026-11-22` as people say it, with the weekday.
    pub(super) fn day(self, day: Date) -> String {
        match self.language {
            Language::En => day.strftime("%a %-d %b").to_string(),
            Language::Zh => format!("{} {}", self.date(day), self.weekday(day)),
        }
    }

    /// The date alone: 11月22日, 22 Nov.
    pub(super) fn date(self, day: Date) -> String {
        day.strftime(self.either("%-m月%-d日", "%-d %b")).to_string()
    }

    /// The weekday alone: 周日, Sunday.
    pub(super) fn weekday(self, day: Date) -> String {
        match self.language {
            Language::En => day.strftime("%A").to_string(),
            Language::Zh => {
                let names = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];
                let position = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
                names[position].to_owned()
            }
        }
    }

    /// Whichever of the two is of this language.
    pub(super) fn either<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    pub(super) fn comma(self) -> &'static str {
        self.either("，", ", ")
    }
}

/// A count, or the mark of one that is not known.
pub(super) fn known(value: Option<impl Into<i128>>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| number(value.into()))
}

/// How many there are.
pub(super) fn many(count: usize) -> String {
    number(i128::try_from(count).unwrap_or(i128::MAX))
}

/// How much more or less in percent; nothing below a base of 100.
pub(super) fn percent(now: impl Into<i128>, before: impl Into<i128>) -> String {
    let (now, before) = (now.into(), before.into());
    let Some(base) = u64::try_from(before).ok().filter(|_| before >= PERCENT_BASE_MIN) else {
        return String::new();
    };
    let apart = (now - before) * 100;
    format!("{}{}%", if apart < 0 { '−' } else { '+' }, tenths(apart.abs(), base))
}

/// `part` of `whole` in percent with one decimal; nothing below a base of 100.
pub(super) fn share(part: impl Into<i128>, whole: impl Into<i128>) -> Option<String> {
    let whole = whole.into();
    if whole < PERCENT_BASE_MIN { None } else { progress(part, whole) }
}

/// The same, or both counts where the base carries no percentage.
pub(super) fn rate(part: u64, whole: u64) -> String {
    share(part, whole).unwrap_or_else(|| format!("{}/{}", number(part.into()), number(whole.into())))
}

/// How much of a target is reached, in percent with one decimal, however small the target is.
pub(super) fn progress(part: impl Into<i128>, target: impl Into<i128>) -> Option<String> {
    Some(format!("{}%", tenths(thousandths(part, target)?, 10)))
}

/// `part` of `whole` in thousandths, rounded as it is shown, so that two of them subtract as shown; nothing where there is no
/// whole.
pub(super) fn thousandths(part: impl Into<i128>, whole: impl Into<i128>) -> Option<i128> {
    let (part, whole) = (part.into(), whole.into());
    (whole > 0).then(|| (part.abs() * 2000 + whole) / (whole * 2) * part.signum())
}

/// The length of a bar: `part` of `whole` in hundredths of a percent, as a percentage for an attribute, 0 to 100.
pub(super) fn length(part: impl Into<i128>, whole: impl Into<i128>) -> Html {
    let hundredths = (part.into().max(0) * 10_000).checked_div(whole.into().max(0)).unwrap_or(0).min(10_000);
    let whole = hundredths / 100;
    Html::text(&match hundredths % 100 {
        0 => format!("{whole}%"),
        part => format!("{whole}.{part:02}%"),
    })
}

/// An instant of RFC 3339 in a zone.
pub(super) fn local(instant: &str, zone: &TimeZone) -> Option<Zoned> {
    Some(instant.parse::<Timestamp>().ok()?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZH: Words = Words { language: Language::Zh };
    const EN: Words = Words { language: Language::En };

    #[test]
    fn percentages_are_exact_to_a_tenth() {
        assert_eq!(percent(18_426, 17_222), "+7.0%");
        assert_eq!(percent(18_426, 18_744), "−1.7%");
        assert_eq!(percent(150, 99), "");
    }

    #[test]
    fn below_a_base_of_100_counts_stand_instead_of_a_percentage_but_of_a_target() {
        assert_eq!((share(66, 99), share(66, 100)), (None, Some("66.0%".to_owned())));
        assert_eq!((rate(2, 40), rate(15, 900)), ("2/40".to_owned(), "1.7%".to_owned()));
        assert_eq!((progress(-7, 20).unwrap(), progress(7, 0)), ("−35.0%".to_owned(), None));
        assert_eq!((ZH.against(9, 8).1, ZH.against(90, 100).1), (Html::text("多 1"), Html::text("−10.0%")));
    }

    #[test]
    fn estimates_are_shortened_as_each_language_does() {
        assert_eq!((ZH.about(41_400), EN.about(41_400)), ("4.14 万".to_owned(), "41.4k".to_owned()));
        assert_eq!((ZH.about(1_284_000), EN.about(1_284_000)), ("128.4 万".to_owned(), "1.28M".to_owned()));
        assert_eq!(ZH.about(9_999), "9,999");
    }

    #[test]
    fn spans_are_told_in_the_largest_unit_of_which_there_are_two() {
        let told = [0, 119, 120, 7_199, 7_200, 54_300].map(|seconds| ZH.span(seconds));
        assert_eq!(told, ["0 秒", "119 秒", "2 分钟", "119 分钟", "2 小时", "15 小时"]);
        assert_eq!(EN.span(2_820), "47 min");
    }

    #[test]
    fn weekdays_are_named_in_both_languages() {
        let day = "2026-11-22".parse().unwrap();
        assert_eq!((ZH.day(day), EN.day(day)), ("11月22日 周日".to_owned(), "Sun 22 Nov".to_owned()));
        assert_eq!(EN.weekday(day), "Sunday");
    }

    #[test]
    fn bars_end_at_their_track() {
        assert_eq!(length(18_426, 40_000).into_string(), "46.06%");
        assert_eq!(length(50, 40).into_string(), "100%");
        assert_eq!((length(-3, 40).into_string(), length(3, 0).into_string()), ("0%".to_owned(), "0%".to_owned()));
    }
}
