//! Tests of what a page says in words: how much it leaves out, and what it compares with.

use super::*;

#[test]
fn stages_say_more_or_fewer_where_the_base_carries_no_percentage() {
    let html = check(&[], 0);
    let stage = html.split("data-p=\"adds\">").nth(1).unwrap().split('<').next();
    assert_eq!(stage, Some("多 8"));
}
