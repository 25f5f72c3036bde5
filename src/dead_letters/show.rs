//! Refused records, for a person.

use std::fmt::Write as _;

use clickhouse::Client;

use super::{
    Error, Origin,
    escape::escaped,
    filter::Filter,
    stored::{self, Letter},
};

/// Letters of one answer, each with up to 64 KiB of its value.
pub(super) const LIMIT_MAX: u32 = 1_000;

/// The letter of this origin, or the newest that the filter takes.
pub(super) async fn run(
    client: &Client,
    origin: Option<&Origin>,
    filter: &Filter,
    limit: u32,
) -> Result<String, Error> {
    if let Some(origin) = origin {
        let letters = stored::read(client, std::slice::from_ref(origin)).await?;
        return letters.first().map(text).ok_or_else(|| Error::Unknown(origin.clone()));
    }
    let (letters, all) = stored::newest(client, &filter.condition()?, limit).await?;
    if letters.is_empty() {
        return Ok("no dead letters\n".to_owned());
    }
    let mut texts: Vec<_> = letters.iter().map(text).collect();
    let older = all.saturating_sub(u64::try_from(letters.len()).unwrap_or(u64::MAX));
    if older > 0 {
        texts.push(format!("! {older} older ones are not shown: see --limit and --to\n"));
    }
    Ok(texts.join("\n"))
}

fn text(letter: &Letter) -> String {
    let Letter { origin, recorded_at, reason, detail, key, value, value_bytes, headers } = letter;
    let mut text = format!("origin    {origin}\nrecorded  {recorded_at}\nreason    {reason}\ndetail    {detail}\n");
    // Writing to a string does not fail.
    let _ = match key {
        Some(key) => writeln!(text, "key       {}", escaped(key)),
        None => writeln!(text, "key       none, or empty"),
    };
    for (name, value) in headers {
        let _ = writeln!(text, "header    {}: {}", escaped(name.as_bytes()), escaped(value));
    }
    let cut = if letter.is_cut() { format!(", of which the first {} follow", value.len()) } else { String::new() };
    let _ = writeln!(text, "value     {value_bytes} bytes{cut}\n{}", escaped(value));
    text
}
