//! The configuration as text, without its secrets.
//!
//! Invariant: what is masked is decided by the name of the setting alone, and rather too much than too little.

use toml::{Table, Value};

use super::Config;

const MASK: &str = "***";

/// Parts of names of librdkafka's settings whose values are secret: `sasl.password`, `ssl.key.pem`,
/// `sasl.oauthbearer.client.secret`, `sasl.oauthbearer.config` and what later versions may add in that manner.
const SECRET_PARTS: [&str; 9] =
    ["password", "passphrase", "secret", "token", "private", "credential", "pem", "jaas", "oauthbearer.config"];

/// Whether the setting at this path must not be shown.
pub(super) fn is_secret(path: &[String]) -> bool {
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["clickhouse", "password"] | ["board", "access", "keys", _] => true,
        ["kafka", "options", name] => SECRET_PARTS.iter().any(|part| name.to_lowercase().contains(part)),
        _ => false,
    }
}

/// All settings as TOML.
pub(super) fn toml(config: &Config) -> String {
    let mut root = Table::try_from(config).expect("every section is a table of TOML's own types");
    mask(&mut Vec::new(), &mut root);
    root.to_string()
}

fn mask(path: &mut Vec<String>, table: &mut Table) {
    for (name, value) in table.iter_mut() {
        path.push(name.clone());
        match value {
            Value::Table(inner) => mask(path, inner),
            Value::String(text) if !text.is_empty() && is_secret(path) => MASK.clone_into(text),
            Value::String(text) if path.as_slice() == ["clickhouse", "url"] => *text = url(text),
            _ => {}
        }
        path.pop();
    }
}

/// The address without what stands before an `@`.
pub(super) fn url(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let slashes = if scheme.is_empty() { "" } else { "://" };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{slashes}{MASK}@{host}"),
        None => text.to_owned(),
    }
}
