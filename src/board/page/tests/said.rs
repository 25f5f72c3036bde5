//! Tests of what a page says in words: how much it leaves out, and what it compares with.

use super::*;

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
