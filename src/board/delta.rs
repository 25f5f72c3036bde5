//! What changed between two pictures of the stream.
//!
//! Invariant: pure; a picture to which its deltas were applied equals the newest picture.

use serde_json::{Map, Value};

/// Lists whose items have an identity, with the field that holds it: only changed items are sent.
const LISTS: [(&str, &str); 3] = [("rows", "id"), ("channels", "channel"), ("regions", "id")];

/// The fields of `new` that differ from `old`.
///
/// `revision` and `freshness` are always there. Items of `rows`, `channels` and `regions` carry their identity and the fields that
/// changed; `figures` carries the figures that changed, `trend` the steps that did.
#[must_use]
pub fn delta(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut delta = Map::new();
    for (field, value) in new {
        let before = old.get(field).unwrap_or(&Value::Null);
        let always = field == "revision" || field == "freshness";
        if before == value && !always {
            continue;
        }
        let identity = LISTS.iter().find(|(list, _)| list == field).map(|(_, identity)| *identity);
        let changed = match (identity, before, value) {
            (Some(identity), Value::Array(before), Value::Array(items)) => items_changed(before, items, identity),
            (None, Value::Object(before), Value::Object(after)) if field == "figures" => {
                Value::Object(fields_changed(before, after))
            }
            (None, Value::Object(before), Value::Object(after)) if field == "trend" => {
                Value::Object(steps_changed(before, after))
            }
            (Some(_) | None, _, value) => value.clone(),
        };
        delta.insert(field.clone(), changed);
    }
    delta
}

fn items_changed(before: &[Value], items: &[Value], identity: &str) -> Value {
    let mut changed = Vec::new();
    for item in items {
        let same = before.iter().find(|other| other.get(identity) == item.get(identity));
        match (same, item) {
            (Some(same), item) if same == item => {}
            (Some(Value::Object(same)), Value::Object(fields)) => {
                let mut fields = fields_changed(same, fields);
                fields.insert(identity.to_owned(), item.get(identity).cloned().unwrap_or_default());
                changed.push(Value::Object(fields));
            }
            (Some(_) | None, item) => changed.push(item.clone()),
        }
    }
    Value::Array(changed)
}

/// Of a trend the fields that changed; a list that is as long as before by its changed steps alone, `{"87": 12}`.
fn steps_changed(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut changed = fields_changed(before, after);
    for (field, value) in &mut changed {
        let (Some(Value::Array(before)), Value::Array(steps)) = (before.get(field), &*value) else { continue };
        if before.len() == steps.len() {
            let steps = steps.iter().zip(before).enumerate().filter(|(_, (step, before))| step != before);
            *value = Value::Object(steps.map(|(at, (step, _))| (at.to_string(), step.clone())).collect());
        }
    }
    changed
}

fn fields_changed(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let changed = after.iter().filter(|(field, value)| before.get(*field) != Some(*value));
    changed.map(|(field, value)| (field.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(old: Value, new: Value, expected: &Value) {
        let (Value::Object(old), Value::Object(new)) = (old, new) else { panic!("pictures are objects") };
        assert_eq!(Value::Object(delta(&old, &new)), *expected);
    }

    #[test]
    fn only_what_changed_is_sent() {
        check(
            json!({"revision": 1, "freshness": {"lag_seconds": 2}, "figures": {"adds": 5, "scans": 9}, "order": ["a", "b"],
                "rows": [{"id": "a", "adds": 3, "name": "A"}, {"id": "b", "adds": 2, "name": "B"}]}),
            json!({"revision": 2, "freshness": {"lag_seconds": 2}, "figures": {"adds": 6, "scans": 9}, "order": ["a", "b"],
                "rows": [{"id": "a", "adds": 4, "name": "A"}, {"id": "b", "adds": 2, "name": "B"}]}),
            &json!({"revision": 2, "freshness": {"lag_seconds": 2}, "figures": {"adds": 6}, "rows": [{"id": "a", "adds": 4}]}),
        );
    }

    #[test]
    fn a_row_that_comes_to_the_page_is_sent_whole_and_the_order_says_who_left() {
        check(
            json!({"revision": 1, "freshness": 0, "order": ["a"], "rows": [{"id": "a", "adds": 3}]}),
            json!({"revision": 2, "freshness": 0, "order": ["b"], "rows": [{"id": "b", "adds": 4}]}),
            &json!({"revision": 2, "freshness": 0, "order": ["b"], "rows": [{"id": "b", "adds": 4}]}),
        );
    }

    #[test]
    fn of_a_trend_the_changed_steps_are_sent_and_of_another_length_all() {
        let trend = |adds: Value, before: Value| json!({"revision": 1, "freshness": 0, "trend": {"step_seconds": 600, "adds": adds, "baseline_adds": before}});
        check(
            trend(json!([1, 2, null]), json!([5])),
            trend(json!([1, 4, 1]), json!([])),
            &json!({"revision": 1, "freshness": 0, "trend": {"adds": {"1": 4, "2": 1}, "baseline_adds": []}}),
        );
    }

    #[test]
    fn nothing_new_is_only_the_revision_and_the_freshness() {
        let picture = json!({"revision": 1, "freshness": {"lag_seconds": 2}, "figures": {"adds": 5}, "order": []});
        check(picture.clone(), picture, &json!({"revision": 1, "freshness": {"lag_seconds": 2}}));
    }
}
