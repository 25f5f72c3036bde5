//! What changed between two pictures of the stream.
//!
//! Invariant: pure; a picture to which its deltas were applied equals the newest picture, but for comparisons that wait for
//! room; what adds up never waits.
//!
//! Why something may wait: the same minute of the day before moves every second in each of fifty rows, and a phone in a shop
//! has 4 kB for a second (board, section 6). What is held back for so long is a few seconds old, and is sent in turn.

use serde_json::{Map, Value};

/// The longest delta (board, section 6), for ids as long as people give them.
pub const BYTES_MAX: usize = 4_096;

/// Lists whose items have an identity, with the field that holds it: only changed items are sent. The first wait first.
const LISTS: [(&str, &str); 4] = [("rows", "id"), ("channels", "channel"), ("groups", "group"), ("regions", "id")];

/// Fields of items that can wait, but for the metric of the rows; of a row also its adds, where they are not the metric.
const PATIENT: [&str; 5] = ["baseline_adds", "rank_before", "net_adds", "qualified_adds", "adds"];
/// The list whose items have a metric; the others are of adds.
const RANKED: &str = "rows";

/// A prime that is larger than any list of a page: whatever the length, every item has its turn.
const TURN: u64 = 53;

/// From the picture that was told to the one that is to be told now.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is sent.
    pub delta: Map<String, Value>,
    /// The picture that those have who had the one before.
    pub told: Map<String, Value>,
}

impl Step {
    /// `turn` counts the steps of a view: what waits is another part of the picture each time.
    #[must_use]
    pub fn new(told: &Map<String, Value>, now: &Map<String, Value>, turn: u64) -> Self {
        let mut step = Self { delta: changed(told, now), told: now.clone() };
        let mut bytes = serde_json::to_string(&step.delta).map_or(0, |text| text.len());
        let metric = now.get("metric").and_then(Value::as_str).unwrap_or("adds");
        for (list, identity) in LISTS {
            let count = step.items(list).map_or(0, |items| u64::try_from(items.len()).unwrap_or(0));
            for at in 0..count {
                if bytes <= BYTES_MAX {
                    break;
                }
                let at = usize::try_from((turn.wrapping_mul(TURN) + at) % count).unwrap_or(0);
                bytes -=
                    step.hold_back(told, (list, identity), at, if list == RANKED { metric } else { "adds" }).min(bytes);
            }
            if let Some(Value::Array(items)) = step.delta.get_mut(list) {
                // The rest of those of which all waits.
                items.retain(|item| item.as_object().is_none_or(|fields| fields.len() > 1));
            }
        }
        step
    }

    fn items(&self, list: &str) -> Option<&Vec<Value>> {
        self.delta.get(list)?.as_array()
    }

    /// Takes out of one item of the delta what can wait; returns by how many bytes it became shorter.
    fn hold_back(&mut self, told: &Map<String, Value>, list: (&str, &str), at: usize, metric: &str) -> usize {
        let (list, identity) = list;
        let item = self.delta.get_mut(list).and_then(|items| items.get_mut(at)).and_then(Value::as_object_mut);
        let Some(item) = item else { return 0 };
        let id = item.get(identity).cloned();
        let of = |picture: &Map<String, Value>| {
            let items = picture.get(list).and_then(Value::as_array).into_iter().flatten();
            items.into_iter().position(|item| item.get(identity) == id.as_ref())
        };
        // An item that is new is sent whole.
        let (Some(before), Some(now)) = (of(told), of(&self.told)) else { return 0 };
        let mut bytes = 0;
        for field in PATIENT.iter().filter(|field| **field != metric) {
            if let Some(value) = item.remove(*field) {
                bytes += field.len() + value.to_string().len() + "\"\":,".len();
                self.told[list][now][*field] = told[list][before][*field].clone();
            }
        }
        bytes
    }
}

/// The fields of `new` that differ from `old`.
///
/// `revision` and `freshness` are always there. Items of lists carry their identity and the fields that changed; `figures`
/// and `mine` carry what changed of them.
fn changed(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
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
            (None, Value::Object(before), Value::Object(after)) if field == "figures" || field == "mine" => {
                Value::Object(fields_changed(before, after))
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
        let step = Step::new(&old, &new, 1);
        assert_eq!(Value::Object(step.delta), *expected);
        assert_eq!(step.told, new);
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
    fn what_compares_waits_for_room_in_turn_and_what_adds_up_does_not() {
        let picture = |second: u64| {
            let row = |n: u64| {
                json!({"id": format!("store-{n:06}"), "name": "a".repeat(40), "adds": 1000 + n + second, "net_adds": 900 + n + second,
                "qualified_adds": 800 + n + second, "baseline_adds": 700 + n + second, "rank_before": n + second})
            };
            let rows: Vec<_> = (0..50).map(row).collect();
            let Value::Object(picture) = json!({"revision": second, "freshness": 0, "metric": "adds", "rows": rows})
            else {
                panic!()
            };
            picture
        };
        let mut told = picture(0);
        let mut current = vec![0; 50];
        for second in 1..=60 {
            let now = picture(second);
            let step = Step::new(&told, &now, second);
            assert!(Value::Object(step.delta.clone()).to_string().len() <= BYTES_MAX);
            assert_eq!(applied(&told, &step.delta), step.told);
            for (at, current) in current.iter_mut().enumerate() {
                assert_eq!(step.told["rows"][at]["adds"], now["rows"][at]["adds"]);
                if step.told["rows"][at] == now["rows"][at] {
                    *current = second;
                }
            }
            told = step.told;
        }
        assert!(current.iter().all(|current| *current > 30), "the seconds in which a row was last whole: {current:?}");
        let now = picture(60);
        for turn in 61..70 {
            told = Step::new(&told, &now, turn).told;
        }
        assert_eq!(told, now, "once nothing moves all is told");
    }

    /// As a page takes a delta.
    fn applied(told: &Map<String, Value>, delta: &Map<String, Value>) -> Map<String, Value> {
        let mut picture = told.clone();
        for (field, value) in delta {
            let identity = LISTS.iter().find(|(list, _)| list == field).map(|(_, identity)| *identity);
            let Some(identity) = identity else {
                picture.insert(field.clone(), value.clone());
                continue;
            };
            for item in value.as_array().unwrap() {
                let items = picture[field].as_array_mut().unwrap();
                let same = items.iter_mut().find(|other| other[identity] == item[identity]).unwrap();
                same.as_object_mut().unwrap().extend(item.as_object().unwrap().clone());
            }
        }
        picture
    }

    #[test]
    fn nothing_new_is_only_the_revision_and_the_freshness() {
        let picture = json!({"revision": 1, "freshness": {"lag_seconds": 2}, "figures": {"adds": 5}, "order": []});
        check(picture.clone(), picture, &json!({"revision": 1, "freshness": {"lag_seconds": 2}}));
    }
}
