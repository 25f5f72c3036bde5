//! Configuration: defaults, files, environment, command line; every mistake found before anything starts.

use serde::{Deserialize, Deserializer};

/// A list, or text with commas.
pub(crate) fn text_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrList {
        Text(String),
        List(Vec<String>),
    }
    Ok(match TextOrList::deserialize(deserializer)? {
        TextOrList::List(list) => list,
        TextOrList::Text(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
    })
}
