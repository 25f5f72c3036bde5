//! CSV files with the columns of the reference topics, for those without the topics.
//!
//! Invariant: a file is published when it was last written, but after what it said before; rows that say nothing new are
//! not published again, whichever process published them, and those that went while none ran are withdrawn.

use std::{
    collections::HashMap,
    io::Read,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Reference;
use crate::directory::{self, Config, FILE_PARTITION, Kind, Publication};

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("look at `{path}`")]
    Metadata { path: PathBuf, source: std::io::Error },
    #[error("read `{path}`")]
    Read { path: PathBuf, source: csv::Error },
}

/// The files of the configuration.
#[derive(Debug)]
pub(super) struct Files(Vec<File>);

#[derive(Debug)]
struct File {
    kind: Kind,
    path: PathBuf,
    written: Option<SystemTime>,
    /// Each row as it was last published, by [`directory::Reference::line`].
    published: HashMap<String, directory::Reference>,
}

impl Files {
    pub(super) fn new(config: &Config) -> Self {
        let files = [
            (Kind::Org, &config.org_file),
            (Kind::Channel, &config.channel_file),
            (Kind::Target, &config.target_file),
            (Kind::Contest, &config.contest_file),
            (Kind::Cost, &config.cost_file),
            (Kind::Official, &config.official_file),
        ];
        let file = |(kind, path): (Kind, &Option<PathBuf>)| {
            Some(File { kind, path: path.clone()?, written: None, published: HashMap::new() })
        };
        Self(files.into_iter().filter_map(file).collect())
    }

    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.0.iter().map(|file| file.kind).collect()
    }

    /// Takes up what stands of the file of this kind, whichever process published it.
    pub(super) fn stand_on(&mut self, kind: Kind, rows: Vec<directory::Reference>) {
        if let Some(file) = self.0.iter_mut().find(|file| file.kind == kind) {
            file.published = rows.into_iter().map(|row| (row.line(), row)).collect();
        }
    }

    /// Reads the files that changed since the last time.
    pub(super) fn read(&mut self, reference: &Reference) -> Result<(), Error> {
        self.0.iter_mut().try_for_each(|file| file.read(reference))
    }
}

impl File {
    fn read(&mut self, reference: &Reference) -> Result<(), Error> {
        let metadata = std::fs::metadata(&self.path).and_then(|metadata| metadata.modified());
        let written = metadata.map_err(|source| Error::Metadata { path: self.path.clone(), source })?;
        if self.written == Some(written) {
            return Ok(());
        }
        let opened = std::fs::File::open(&self.path).map_err(csv::Error::from);
        let taken = opened.and_then(|content| self.take(content, written, reference));
        taken.map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    /// Publishes what `content`, last written at that time, says anew.
    fn take(&mut self, content: impl Read, written: SystemTime, reference: &Reference) -> csv::Result<()> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(content);
        let columns: Vec<_> =
            reader.headers()?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        let at = written.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
        // A file may come back from a copy, with the time of long ago: what it says now is what it said last.
        let at = self.published.values().map(|row| row.publication().at + 1).fold(at, i64::max);
        let (mut offsets, mut present, mut rows) = (0.., HashMap::new(), Vec::new());
        for (record, offset) in reader.records().zip(offsets.by_ref()) {
            let record = record?;
            let body = body(self.kind, &columns, &record);
            let publication = Publication { at, partition: FILE_PARTITION, offset };
            match directory::Reference::read(self.kind, None, Some(body.as_bytes()), publication) {
                Ok(row) => {
                    let known = self.published.get(&row.line()).filter(|known| known.content() == row.content());
                    let row = known.cloned().unwrap_or_else(|| {
                        rows.push(row.clone());
                        row
                    });
                    present.insert(row.line(), row);
                }
                Err(why) => {
                    let line = line(self.kind, &columns, &record);
                    reference.ignore(self.kind, Some(line.as_bytes()), &format!("line {}: {why}", offset + 2));
                    // A line that cannot be read says nothing new, and withdraws nothing.
                    if let Some(known) = self.published.get(&line) {
                        present.insert(line, known.clone());
                    }
                }
            }
        }
        let gone = self.published.iter().filter(|(line, _)| !present.contains_key(*line));
        for ((_, known), offset) in gone.zip(offsets) {
            rows.push(known.withdrawal(Publication { at, partition: FILE_PARTITION, offset }));
        }
        reference.publish(rows);
        (self.written, self.published) = (Some(written), present);
        Ok(())
    }
}

/// The row as the topic would carry it.
fn body(kind: Kind, columns: &[String], record: &csv::StringRecord) -> String {
    let fields = columns.iter().zip(record).filter(|(_, value)| !value.is_empty());
    let field = |(column, value): (&String, &str)| {
        let value = match (kind, column.as_str()) {
            (_, "active") if matches!(value, "true" | "false") => serde_json::Value::Bool(value == "true"),
            (
                _,
                "valid_from"
                | "starts_at"
                | "ends_at"
                | "target"
                | "cost_fen"
                | "new_apply_cnt"
                | "new_contact_cnt"
                | "negative_feedback_cnt",
            ) => value.parse::<i64>().map_or_else(|_| value.into(), serde_json::Value::from),
            // Several ids in one cell are separated by blanks.
            (Kind::Contest, "ids") => value.split_whitespace().collect(),
            _ => value.into(),
        };
        (column.clone(), value)
    };
    serde_json::Value::Object(fields.map(field).collect()).to_string()
}

/// The [`directory::Reference::line`] of a row that cannot be read.
fn line(kind: Kind, columns: &[String], record: &csv::StringRecord) -> String {
    let cell = |name: &&str| {
        let at = columns.iter().position(|column| column == name);
        at.and_then(|at| record.get(at)).unwrap_or_default()
    };
    kind.line().iter().map(cell).collect::<Vec<_>>().join("/")
}

/// A file of each kind with these bytes, which grows from its first half to the whole.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn hostile(bytes: &[u8]) {
    let metrics = std::sync::Arc::new(crate::metrics::Metrics::new(&[]));
    let reference = Reference::new(std::time::Duration::ZERO, metrics);
    for kind in [Kind::Org, Kind::Channel, Kind::Target, Kind::Contest, Kind::Cost, Kind::Official] {
        let mut file = File { kind, path: PathBuf::new(), written: None, published: HashMap::new() };
        for part in [&bytes[..bytes.len() / 2], bytes] {
            // Refused or not: both are answers.
            let _ = file.take(part, UNIX_EPOCH, &reference);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn file_is_read_again_when_it_changes_and_says_only_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("org.csv");
        let config = Config { org_file: Some(path.clone()), ..Config::default() };
        let reference = Reference::new(Duration::from_mins(1), Arc::new(Metrics::new(&[])));
        let mut files = Files::new(&config);
        let mut read = |content: &str, written_s: u64| {
            std::fs::write(&path, content).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(written_s)).unwrap();
            files.read(&reference).unwrap();
            let rows = reference.unwritten.lock().unwrap().len();
            let store = |staff: &str| reference.directory().place("c", staff, i64::MAX, i64::MAX).store_id.to_owned();
            (rows, store("s1"), store("s2"))
        };
        let (head, empty) = ("corp_id,staff_id,store_id,region_id,active\n", String::new);
        let st = |number: u8| format!("st{number}");
        assert_eq!(read(&format!("{head}c,s1,st1,r1,true\nc,s2,st1,r1,true\n"), 1_000), (2, st(1), st(1)));
        assert_eq!(read(&format!("{head}c,s1,st2,r1,true\nc,s2,st1,r1,true\n"), 2_000), (3, st(2), st(1)));
        assert_eq!(read(&format!("{head}c,s1,st2,r1,true\n"), 3_000), (4, st(2), empty()), "a removal");
        assert_eq!(read(&format!("{head},s1,st2,r1,true\nc,s1,st2,r1,true\n"), 4_000), (4, st(2), empty()), "no corp");
    }

    #[test]
    fn official_statistics_are_published_by_day_and_member_in_the_names_of_wecom() {
        let reference = Reference::new(Duration::from_mins(1), Arc::new(Metrics::new(&[])));
        let mut file = File { kind: Kind::Official, path: PathBuf::new(), written: None, published: HashMap::new() };
        let mut read = |lines: &str| {
            let head = "corp_id,business_date,staff_id,new_apply_cnt,new_contact_cnt,negative_feedback_cnt";
            file.take(format!("{head}\n{lines}").as_bytes(), UNIX_EPOCH, &reference).unwrap();
            std::mem::take(&mut *reference.unwritten.lock().unwrap())
        };
        let official = |at, offset, counts: Option<[u64; 3]>| {
            let [new_apply_cnt, new_contact_cnt, negative_feedback_cnt] = counts.unwrap_or_default();
            directory::Reference::Official(directory::Official {
                publication: Publication { at, partition: FILE_PARTITION, offset },
                removed: counts.is_none(),
                corp_id: "c".to_owned(),
                business_date: "2025-03-10".to_owned(),
                staff_id: "s/1".to_owned(),
                new_apply_cnt,
                new_contact_cnt,
                negative_feedback_cnt,
            })
        };
        assert_eq!(read("c,2025-03-10,s/1,3,2,1\n"), [official(0, 0, Some([3, 2, 1]))]);
        // Not a day, a number that is none, one that is missing, and one that no member of staff has.
        assert_eq!(
            read(
                "c,2025-03-10,s/1,3,2,1\nc,10.3.,s,3,2,1\nc,2025-03-10,a,x,2,1\nc,2025-03-10,b,,2,1\nc,2025-03-10,d,1000001,2,1\n"
            ),
            []
        );
        assert_eq!(reference.metrics.directory_rows_ignored.get(), 4);
        assert_eq!(read(""), [official(1, 0, None)]);
    }

    #[test]
    fn costs_are_published_by_day_channel_and_campaign_and_a_line_that_goes_is_a_removal() {
        let reference = Reference::new(Duration::from_mins(1), Arc::new(Metrics::new(&[])));
        let mut file = File { kind: Kind::Cost, path: PathBuf::new(), written: None, published: HashMap::new() };
        let mut read = |content: &str| {
            let content = format!("corp_id,business_date,channel,campaign_id,cost_fen\n{content}");
            file.take(content.as_bytes(), UNIX_EPOCH, &reference).unwrap();
            let rows = std::mem::take(&mut *reference.unwritten.lock().unwrap());
            let text = |row: &directory::Reference| match row {
                directory::Reference::Cost(directory::Cost {
                    removed,
                    business_date,
                    channel,
                    campaign_id,
                    cost_fen,
                    ..
                }) => {
                    format!("{business_date} {channel} {campaign_id} {cost_fen}{}", if *removed { " gone" } else { "" })
                }
                other => panic!("{other:?} is no cost"),
            };
            rows.iter().map(text).collect::<Vec<_>>()
        };
        let first = "c,2025-03-10,douyin,a/b,700\nc,2025-03-10,douyin,,5\n";
        assert_eq!(read(first), ["2025-03-10 douyin a/b 700", "2025-03-10 douyin  5"]);
        assert_eq!(read("c,2025-03-10,douyin,,6\n"), ["2025-03-10 douyin  6", "2025-03-10 douyin a/b 0 gone"]);
        // Without a day, with a channel that no key can hold, negative, in words, absent, and too much.
        for line in
            ["c,,douyin,,1", "c,2025-03-10,a/b,,1", "c,2025-03-10,d,,-1", "c,2025-03-10,d,,x", "c,2025-03-10,d,,"]
        {
            assert_eq!(read(&format!("c,2025-03-10,douyin,,6\n{line}\n")), Vec::<String>::new(), "{line}");
        }
        assert_eq!(read("c,2025-03-10,douyin,,1000000000001\n"), Vec::<String>::new());
        assert_eq!(reference.metrics.directory_rows_ignored.get(), 6);
    }
}
