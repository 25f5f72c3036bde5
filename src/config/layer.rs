//! The layers above the defaults (files, variables, arguments) as assignments with their origins.
//!
//! Invariant: an assignment names a setting that exists and has a value of its type; all else is a mistake.

use std::path::Path;

use toml::{Table, Value, de::DeTable};

use super::{
    Config, Mistake, Origin, mask,
    names::{Node, ROOT},
};

const PREFIX: &str = "YINLIU__";

/// A value for one setting.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) path: Vec<String>,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Assignment {
    /// Enters the value into the tree, over an earlier one.
    pub(super) fn put(&self, root: &mut Table) {
        let Some((name, sections)) = self.path.split_last() else { return };
        let mut table = root;
        for section in sections {
            let entry = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = entry else { return };
            table = inner;
        }
        table.insert(name.clone(), self.value.clone());
    }

    /// Why the value does not fit its setting.
    fn misfit(&self) -> Option<String> {
        let mut root = Table::new();
        self.put(&mut root);
        let error = root.try_into::<Config>().err()?;
        let name = self.path.join(".");
        if mask::is_secret(&self.path) {
            return Some(format!("`{name}` must be text in quotation marks"));
        }
        Some(format!("`{name}`: {}", error.message().lines().next().unwrap_or_default()))
    }
}

/// Collects assignments in the order in which they win, and mistakes.
#[derive(Debug, Default)]
pub(super) struct Layers {
    assignments: Vec<Assignment>,
    mistakes: Vec<Mistake>,
}

impl Layers {
    /// The assignments, or every mistake.
    pub(super) fn finish(self) -> Result<Vec<Assignment>, Vec<Mistake>> {
        if self.mistakes.is_empty() { Ok(self.assignments) } else { Err(self.mistakes) }
    }

    /// A TOML file.
    pub(super) fn file(&mut self, file: &Path) {
        match std::fs::read_to_string(file) {
            Ok(text) => self.text(file, &text),
            Err(error) => {
                let origin = Origin::File { file: file.to_owned(), line: 1, column: 1 };
                self.mistake(origin, format!("cannot read the file: {error}"));
            }
        }
    }

    pub(super) fn text(&mut self, file: &Path, text: &str) {
        let (source, told) = (Source { file, text }, self.mistakes.len());
        match (DeTable::parse(text), text.parse::<Table>()) {
            (Ok(places), Ok(values)) => self.section(&source, &ROOT, &[], (places.get_ref(), &values)),
            (Err(error), _) | (_, Err(error)) => {
                let origin = source.origin(error.span().map_or(0, |span| span.start));
                self.mistake(origin, error.message().to_owned());
            }
        }
        // Tables come sorted by name; whoever corrects the file goes through it from the top.
        self.mistakes[told..].sort_by_key(|mistake| match mistake.origin {
            Origin::File { line, column, .. } => (line, column),
            Origin::Variable(_) | Origin::Argument(_) | Origin::Default => (0, 0),
        });
    }

    /// One section of a file, given with the places of its keys and with its values.
    fn section(&mut self, source: &Source<'_>, node: &Node, parent: &[String], table: (&DeTable<'_>, &Table)) {
        for (key, place) in table.0 {
            let Some(value) = table.1.get(key.get_ref().as_ref()) else { continue };
            let path = [parent, &[key.get_ref().to_string()]].concat();
            let at_key = source.origin(key.span().start);
            match (node.child(key.get_ref()), value) {
                (None, _) => {
                    let hint = node.hint(&path, &|path| path.join("."));
                    self.mistake(at_key, format!("unknown key `{}`{hint}", path.join(".")));
                }
                (Some(Node::Number | Node::Truth | Node::Other), value) => {
                    let origin = source.origin(place.span().start);
                    self.assign(Assignment { path, value: value.clone(), origin });
                }
                (Some(Node::Options), Value::Table(options)) => self.options(&at_key, &path, "", options),
                (Some(child @ (Node::Section(_) | Node::Each(_))), Value::Table(values)) => {
                    if let Some(places) = place.get_ref().as_table() {
                        self.section(source, child, &path, (places, values));
                    }
                }
                (Some(Node::Section(_) | Node::Each(_) | Node::Options), _) => self.is_section(at_key, &path),
            }
        }
    }

    /// Settings of librdkafka: `"a.b" = …`, `a.b = …` and `[kafka.options.a]` are the same. Numbers and truth values
    /// become text. Their place is that of the section, which is near enough to find a name in it.
    fn options(&mut self, origin: &Origin, section: &[String], prefix: &str, options: &Table) {
        for (key, value) in options {
            let name = format!("{prefix}{key}");
            let text = match value {
                Value::Table(inner) => {
                    self.options(origin, section, &format!("{name}."), inner);
                    continue;
                }
                Value::Integer(number) => Value::String(number.to_string()),
                Value::Boolean(truth) => Value::String(truth.to_string()),
                Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Array(_) => value.clone(),
            };
            self.assign(Assignment { path: [section, &[name]].concat(), value: text, origin: origin.clone() });
        }
    }

    /// A variable of the environment; those that do not concern us are passed over.
    pub(super) fn variable(&mut self, name: &str, value: &str) {
        let origin = Origin::Variable(name.to_owned());
        let Some(rest) = name.strip_prefix(PREFIX) else {
            // Kubernetes makes `YINLIU_PORT` and the like for a service `yinliu`, never with two underscores.
            if let Some(rest) = name.strip_prefix("YINLIU_").filter(|rest| rest.contains("__")) {
                self.mistake(origin, format!("unknown variable, did you mean `{PREFIX}{rest}`?"));
            }
            return;
        };
        let path = variable_path(rest);
        self.outside(origin, &path, value);
    }

    /// `section.key=value`, as after `--set`; a name with a dot of its own stands in quotation marks.
    pub(super) fn argument(&mut self, argument: &str) {
        let (key, value) = argument.split_once('=').unwrap_or((argument, ""));
        let origin = Origin::Argument(key.to_owned());
        match argument_path(key) {
            Some(path) if argument.contains('=') => self.outside(origin, &path, value),
            Some(_) | None => self.mistake(origin, "give `section.key=value`".to_owned()),
        }
    }

    /// A value given as text.
    fn outside(&mut self, origin: Origin, path: &[String], text: &str) {
        let mut node: &Node = &ROOT;
        for (depth, name) in path.iter().enumerate() {
            if matches!(node, Node::Options) {
                break;
            }
            let Some(child) = node.child(name) else {
                let rest = &path[depth + 1..];
                let hint = node.hint(&path[..=depth], &|near| spell(&origin, &[near, rest].concat()));
                let what = if matches!(origin, Origin::Variable(_)) { "variable" } else { "key" };
                return self.mistake(origin, format!("unknown {what}{hint}"));
            };
            node = child;
        }
        let named_option = matches!(path, [_, _, option] if !option.is_empty());
        match node {
            Node::Section(_) | Node::Each(_) => self.is_section(origin, path),
            Node::Options if !named_option => self.is_section(origin, path),
            Node::Number | Node::Truth | Node::Other | Node::Options => {
                let value = match node {
                    Node::Number => text.trim().parse().ok().map(Value::Integer),
                    Node::Truth => text.trim().parse().ok().map(Value::Boolean),
                    Node::Section(_) | Node::Each(_) | Node::Other | Node::Options => None,
                };
                let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
                self.assign(Assignment { path: path.to_owned(), value, origin });
            }
        }
    }

    fn assign(&mut self, assignment: Assignment) {
        match assignment.misfit() {
            None => self.assignments.push(assignment),
            Some(text) => self.mistake(assignment.origin, text),
        }
    }

    fn is_section(&mut self, origin: Origin, path: &[String]) {
        self.mistake(origin, format!("`{}` is a section, not a setting", path.join(".")));
    }

    fn mistake(&mut self, origin: Origin, text: String) {
        self.mistakes.push(Mistake { origin, text });
    }
}

/// A path, written the way in which the layer of this origin names it.
fn spell(origin: &Origin, path: &[String]) -> String {
    match origin {
        Origin::Variable(_) => format!("{PREFIX}{}", path.join("__").to_uppercase()),
        Origin::File { .. } | Origin::Argument(_) | Origin::Default => path.join("."),
    }
}

/// The path that a variable names, without the prefix. Names are folded to lower case, but for the id of a corp;
/// librdkafka's names have dots where the variable has underscores.
fn variable_path(rest: &str) -> Vec<String> {
    let mut names: Vec<String> = rest.split("__").map(str::to_owned).collect();
    let last = names.len() - 1;
    for (depth, name) in names.iter_mut().enumerate() {
        if depth == 0 || depth == last || !rest.to_lowercase().starts_with("corp__") {
            *name = name.to_lowercase();
        }
    }
    let section: Vec<&str> = names.iter().map(String::as_str).collect();
    match section.as_slice() {
        ["kafka", "options", option @ ..] if !option.is_empty() => {
            vec!["kafka".to_owned(), "options".to_owned(), option.join(".").replace('_', ".")]
        }
        ["corp", id @ .., key] if !id.is_empty() => vec!["corp".to_owned(), id.join("__"), (*key).to_owned()],
        _ => names,
    }
}

/// The path that the text before `=` names, read as a TOML key.
fn argument_path(key: &str) -> Option<Vec<String>> {
    let document = format!("{key} = 0");
    let parsed = document.parse::<Table>().ok()?;
    let (mut path, mut table) = (Vec::new(), &parsed);
    loop {
        let mut entries = table.iter();
        let (name, value) = entries.next()?;
        if entries.next().is_some() {
            return None;
        }
        path.push(name.clone());
        match value {
            Value::Table(inner) => table = inner,
            _ => break,
        }
    }
    match path.as_slice() {
        [kafka, options, option @ ..] if kafka == "kafka" && options == "options" && !option.is_empty() => {
            Some(vec![kafka.clone(), options.clone(), option.join(".")])
        }
        _ => Some(path),
    }
}

/// A file's text, to tell places in it.
#[derive(Debug)]
struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// The place of a byte.
    fn origin(&self, at: usize) -> Origin {
        let before = self.text.get(..at).unwrap_or(self.text);
        let (line, last) = before.split('\n').enumerate().last().unwrap_or((0, ""));
        Origin::File { file: self.file.to_owned(), line: line + 1, column: last.chars().count() + 1 }
    }
}
