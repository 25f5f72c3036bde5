//! The page for somebody who may not see what they asked for.
//!
//! Invariant: pure; it names what the viewer may see and who can widen it, and nothing of what was asked for.

use super::html::Html;
use super::problem::{Denied, Problem, Unsigned};
use super::view::{Language, Level};
use super::words::Word;

/// The page of a refusal; absent for a problem of another kind.
#[must_use]
pub fn page(problem: &Problem, language: Language) -> Option<String> {
    let (title, text, link) = match problem {
        Problem::Unsigned(why) => {
            let text = match why {
                Unsigned::Missing => Word::LinkMissing,
                Unsigned::Expired => Word::LinkExpired,
                Unsigned::Invalid => Word::LinkInvalid,
            };
            (Word::LinkNeeded, vec![text.text(language).to_owned(), Word::AskForLink.text(language).to_owned()], None)
        }
        Problem::Denied(denied) => (Word::Denied, told(denied, language), Some("./")),
        Problem::Parameter { .. }
        | Problem::NotFound
        | Problem::Method
        | Problem::NoFigures
        | Problem::Busy
        | Problem::Beyond(_) => return None,
    };
    let paragraphs = text.iter().map(|text| Html::fill("<p>{{text}}</p>", &[("text", Html::text(text))]));
    let own = [("to", Html::text(link.unwrap_or_default())), ("word", Html::text(Word::ToOwn.text(language)))];
    let own = link.map(|_| Html::fill("<p><a class=\"btn go\" href=\"{{to}}\">{{word}}</a></p>", &own));
    let values = [
        ("html_lang", Html::text(language.code())),
        ("title", Html::text(title.text(language))),
        ("text", Html::join(paragraphs)),
        ("own", own.unwrap_or_default()),
    ];
    Some(Html::fill(include_str!("refusal.html"), &values).into_string())
}

/// What the viewer may see, and whom to ask.
fn told(denied: &Denied, language: Language) -> Vec<String> {
    let (scope, name) = &denied.sees;
    let sees = if scope.level == Level::Corp { Word::WholeCorp.text(language) } else { name };
    let above = denied.above.as_ref().filter(|(scope, _)| scope.level != Level::Corp);
    let who = match above {
        Some((_, name)) => Word::AskManager.with(language, &[name]),
        None => Word::AskOwner.text(language).to_owned(),
    };
    vec![Word::YouSee.with(language, &[sees]), who]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::view::Scope;

    #[test]
    fn a_refusal_says_what_may_be_seen_and_whom_to_ask() {
        let named = |scope: &str, name: &str| (Scope::read(scope).unwrap(), name.to_owned());
        let denied = Denied { sees: named("store:S1", "<店>"), above: Some(named("region:R1", "华东")) };
        let html = page(&Problem::Denied(denied), Language::Zh).unwrap();
        assert!(html.contains("&lt;店&gt;") && html.contains("华东") && !html.contains("{{"), "{html}");
    }

    #[test]
    fn a_link_that_is_missing_or_expired_is_told_apart() {
        let check = |why| page(&Problem::Unsigned(why), Language::En).unwrap();
        assert!(check(Unsigned::Expired).contains("expired") && !check(Unsigned::Missing).contains("expired"));
        assert_eq!(page(&Problem::NotFound, Language::En), None);
    }
}
