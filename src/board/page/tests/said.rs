//! Tests of what a page says in words: how much it leaves out, and what it compares with.

use std::sync::Arc;

use super::*;
use crate::board::details::broadcasts::Sent;
use crate::board::details::corrections::Corrected;

#[test]
fn what_is_not_shown_of_a_list_is_counted() {
    let mut snapshot = fixture::snapshot();
    let mut broadcasts = (**snapshot.details.broadcasts.as_ref().unwrap()).clone();
    let sent = broadcasts.sent[0].clone();
    broadcasts.sent.extend((3..=6).map(|n| Sent { task_id: format!("t{n}"), ..sent.clone() }));
    snapshot.details.broadcasts = Some(Arc::new(broadcasts));
    let mut corrections = (**snapshot.details.corrections.as_ref().unwrap()).clone();
    let row = corrections.rows[0].clone();
    corrections.rows =
        (11..=18).map(|day| Corrected { day: jiff::civil::date(2026, 11, day), ..row.clone() }).collect();
    snapshot.details.corrections = Some(Arc::new(corrections));
    let html = page(&fixture::view(&[("lang", "en")]), &snapshot, Duration::ZERO, None);
    assert!(html.contains("the latest 3 of 6") && html.contains("<p class=\"note\">3 more.</p>"), "{html}");
    let html = check(&[("lang", "en")], 0);
    assert!(!html.contains("the latest") && !html.contains("more.</p>"), "{html}");
}

#[test]
fn the_report_says_how_many_more_than_when() {
    let report = |html: &str| html.split("id=\"report\"").nth(1).unwrap().split("</pre>").next().unwrap().to_owned();
    let zh = report(&check(&[], 0));
    assert!(zh.contains("数据完整至 14:32:15\n") && zh.contains("\n比昨日 14:32 多 8\n比上周日 14:32 多 30\n"), "{zh}");
    let en = report(&check(&[("lang", "en")], 0));
    assert!(en.contains("\n8 more than yesterday at 14:32\n30 more than last Sunday at 14:32\n"), "{en}");
    assert!(!report(&check(&[], 200)).contains('比'), "{zh}");
}

#[test]
fn stages_say_more_or_fewer_where_the_base_carries_no_percentage() {
    let html = check(&[], 0);
    let stage = html.split("data-p=\"adds\">").nth(1).unwrap().split('<').next();
    assert_eq!(stage, Some("多 8"));
}
