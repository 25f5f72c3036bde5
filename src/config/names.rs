//! The names of all settings, taken from the defaults, and the nearest one to a wrong name.
//!
//! Invariant: no name is written here that a section's own struct already has.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;

use super::Config;
use crate::corp;

/// The section that holds all others.
pub(super) static ROOT: LazyLock<Node> = LazyLock::new(Node::root);

/// What stands under a name.
#[derive(Debug)]
pub(super) enum Node {
    /// A setting whose default is a number: text from outside a file is read as one.
    Number,
    /// A setting that is true or false, likewise.
    Truth,
    /// A setting of any other type.
    Other,
    Section(BTreeMap<String, Node>),
    /// A section that holds the same section under any name.
    Each(Box<Node>),
    /// Settings of librdkafka: text under any name, with dots.
    Options,
}

impl Node {
    fn root() -> Self {
        let mut root = Self::of(&serde_json::to_value(Config::default()).expect("the defaults are JSON"));
        let corp = Self::of(&serde_json::to_value(corp::Config::default()).expect("the defaults are JSON"));
        if let Self::Section(sections) = &mut root {
            sections.insert("corp".to_owned(), Self::Each(Box::new(corp)));
            if let Some(Self::Section(kafka)) = sections.get_mut("kafka") {
                kafka.insert("options".to_owned(), Self::Options);
            }
            if let Some(Self::Section(board)) = sections.get_mut("board")
                && let Some(Self::Section(access)) = board.get_mut("access")
            {
                access.insert("keys".to_owned(), Self::Each(Box::new(Self::Other)));
            }
        }
        root
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Object(fields) => {
                Self::Section(fields.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect())
            }
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Truth,
            Value::Null | Value::String(_) | Value::Array(_) => Self::Other,
        }
    }

    /// What stands under `name` in this section.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Section(children) => children.get(name),
            Self::Each(child) => Some(child),
            Self::Number | Self::Truth | Self::Other | Self::Options => None,
        }
    }

    /// What to say after a wrong name, the last of `path`: what was probably meant, as `spell` writes it, else every
    /// name of this section.
    pub(super) fn hint(&self, path: &[String], spell: &dyn Fn(&[String]) -> String) -> String {
        match (self.nearest(path), self) {
            (Some(meant), _) => format!(", did you mean `{}`?", spell(&meant)),
            (None, Self::Section(children)) => {
                let names: Vec<String> = children.keys().map(|name| format!("`{name}`")).collect();
                format!("; there are {}", names.join(", "))
            }
            (None, Self::Number | Self::Truth | Self::Other | Self::Each(_) | Self::Options) => path
                .split_last()
                .map_or_else(String::new, |(_, setting)| format!("; `{}` has no parts", setting.join("."))),
        }
    }

    /// The path that was probably meant by `path`, whose last name is not in this section: the most similar name
    /// here, else the same name in another section.
    fn nearest(&self, path: &[String]) -> Option<Vec<String>> {
        let (name, parent) = path.split_last()?;
        let Self::Section(children) = self else { return None };
        let similar = children
            .keys()
            .map(|known| (strsim::normalized_damerau_levenshtein(known, name), known))
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
            .map(|(_, known)| [parent, std::slice::from_ref(known)].concat());
        similar.or_else(|| ROOT.find(name, &mut Vec::new()))
    }

    /// The path of the first setting of this name, depth first.
    fn find(&self, name: &str, path: &mut Vec<String>) -> Option<Vec<String>> {
        let Self::Section(children) = self else { return None };
        for (known, child) in children {
            path.push(known.clone());
            let found = if known == name { Some(path.clone()) } else { child.find(name, path) };
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// Half of the letters must stand: `brokres` means `brokers`, `foo` means nothing.
const SIMILARITY_MIN: f64 = 0.5;
