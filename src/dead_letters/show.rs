//! One refused record, for a person.

use std::fmt::Write as _;

use clickhouse::Client;

use super::{
    Error, Origin,
    escape::escaped,
    stored::{self, Letter},
};

pub(super) async fn run(client: &Client, origin: &Origin) -> Result<String, Error> {
    let letters = stored::read(client, std::slice::from_ref(origin)).await?;
    letters.first().map(text).ok_or_else(|| Error::Unknown(origin.clone()))
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
