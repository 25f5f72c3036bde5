//! Recomputes closed chunks from the facts, and writes what differs with a higher generation.
//!
//! Invariant: nothing is deleted, and nothing that the running pipeline may still write is touched. Whatever is written
//! is what the facts say, so that a run may be broken off anywhere, repeated, or meet another one.
//!
//! # The order, and why
//! 1. Facts: repeated events are marked, with `--directory` facts are placed. From here on the facts say what is right.
//! 2. For each day of a chunk in which registers differ: amendments, then registers by day, then by minute. An
//!    interruption after the amendments leaves the registers wrong, so that the next run finds them again.
//! 3. The ledger rows of the chunk, with the records that are left and the new generation. An interruption before it
//!    leaves the ledger behind its facts, which the next run sees.
//!
//! After a pass the registers are compared once more, until nothing is left. So of two runs at once the one that ends
//! last has seen that everything agrees; what both of them change is told once (`amendments.rs` has the identity).
//! Every pass takes a larger generation than all that it sees: an insert of an earlier pass that arrives late loses. A
//! row of the pipeline has generation 0 and loses as well.

mod amendments;
mod places;
mod registers;
mod repeats;
mod scope;

use std::{collections::BTreeSet, fmt};

use jiff::civil;

use crate::{
    batch::{FOLD, LEDGER_COLUMNS, Rows},
    chunk::Grain,
    config,
    corp::{self, Corps},
    mutants::planted,
    progress::{Progress, Telling},
    sink::{self, ClickHouse, Sink as _, Table},
    verify::{self, Days, Warehouse},
    window,
};
pub use amendments::{Amendment, Reason};
use amendments::{Amendments, Course};
use places::Places;
use registers::{Cell, Facts, Grained, Register};
use scope::{DayChunk, Scope};

/// `yinliu reconcile`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// The first business day
    #[arg(long, value_name = "DAY")]
    pub from: civil::Date,
    /// The last business day, inclusive
    #[arg(long, value_name = "DAY")]
    pub to: civil::Date,
    /// Place facts without store or region anew: members of staff may have come into the directory since
    #[arg(long)]
    pub directory: bool,
    /// Print what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("set up the tenants")]
    Corps(#[from] corp::Error),
    #[error(transparent)]
    Days(#[from] verify::Error),
    #[error("correct the warehouse")]
    Sink(#[from] sink::Error),
    #[error("correct the warehouse: generation {0} does not fit into a version")]
    Generations(u64),
    #[error("correct the warehouse: registers still differ after {PASSES_MAX} passes; does something else write them?")]
    Unsettled,
}

/// What was corrected, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub days: Days,
    pub dry_run: bool,
    /// Facts that were marked as duplicates.
    pub duplicates: u64,
    /// Facts that have another place now.
    pub placed: u64,
    /// Rows of registers, of all their tables.
    pub registers: u64,
    pub amended: u64,
    /// The first of the amendments.
    pub amendments: Vec<Amendment>,
    /// Records of chunks that are left to the running pipeline.
    pub open: u64,
    /// Chunks that were left alone because facts are missing, by partition and offsets.
    pub refused: Vec<String>,
}

/// `ingested_at` of a fact that is written again: by it `refresh` finds what has changed. The clock of each block, for
/// the statement may run for longer than a refresh looks back.
const NOW: &str = "toDateTime64(nowInBlock('UTC'), 3, 'UTC')";

/// More lines than these tell nothing more.
const LINES_MAX: usize = 50;

/// Registers that are put right with one insert: some MB.
const BATCH_MAX: usize = 5_000;

/// More than the places of 100,000 members who moved a few times; by default ClickHouse takes 256 KiB.
const QUERY_BYTES_MAX: &str = "1000000000";

/// Two runs at once settle with the second pass; more are no coincidence.
const PASSES_MAX: usize = 5;

/// Corrects what the settings ask for; `wall_ms` is the wall clock in milliseconds since the epoch.
///
/// # Errors
/// ClickHouse cannot be read or written, or registers do not become what the facts say.
pub async fn run(settings: &Settings, config: &config::Config, wall_ms: i64) -> Result<Report, Error> {
    let corps = Corps::new(&config.corp)?;
    let days = Days::choose(Some(settings.from), Some(settings.to), &corps, wall_ms)?;
    let sink = ClickHouse::new(&config.clickhouse);
    // A replica that lags would differ from itself.
    sink.sync().await?;
    // The places of many members stand in one statement.
    let client = sink.client().clone().with_setting("max_query_size", QUERY_BYTES_MAX);
    let warehouse = Warehouse { client: &client, chunk: &config.chunk, days };
    let delay_ms = i64::try_from(config.directory.delay.as_millis()).unwrap_or(i64::MAX);
    let progress = Progress::start(Telling::Progress);
    progress.step("comparing the ledger with the facts");
    let scope = Scope::read(warehouse).await?;
    let course = if settings.dry_run { Course::Planned } else { Course::Real };
    let (report, amendments) = (Report::new(days, settings.dry_run), Amendments::new(course));
    let mut run = Run { sink: &sink, scope, progress, report, amendments, generation: 0 };
    run.report.open = run.scope.open;
    run.report.refused = run.scope.refused.iter().map(|chunk| run.scope.name(chunk)).collect();
    run.progress.step("reading the directory");
    let places = if settings.directory { Places::read(&run.scope).await? } else { None };
    if settings.dry_run {
        run.plan(places.as_ref(), delay_ms).await?;
    } else {
        run.facts(places.as_ref(), delay_ms).await?;
        run.settle().await?;
    }
    Ok(run.report)
}

struct Run<'a> {
    sink: &'a ClickHouse,
    scope: Scope<'a>,
    progress: Progress,
    report: Report,
    amendments: Amendments,
    /// Of the latest pass; 0 before the first.
    generation: u64,
}

impl Run<'_> {
    /// Looks, and writes nothing.
    async fn plan(&mut self, places: Option<&Places>, delay_ms: i64) -> Result<(), Error> {
        self.raise().await?;
        self.progress.step("looking for events that were counted more than once");
        self.report.duplicates = repeats::count(&self.scope).await?;
        let facts = Facts::Planned { places, delay_ms };
        if let Some(places) = places {
            self.report.placed = places.count(&self.scope, delay_ms).await?;
        }
        self.progress.step("comparing registers with facts");
        let cells = registers::unequal(&self.scope, facts).await?;
        for cell in cells {
            self.progress.step(&cell.to_string());
            self.correct(&cell, facts).await?;
        }
        Ok(())
    }

    /// Makes the facts say what is right.
    async fn facts(&mut self, places: Option<&Places>, delay_ms: i64) -> Result<(), Error> {
        self.raise().await?;
        self.progress.step("marking events that were counted more than once");
        self.report.duplicates = repeats::mark(&self.scope, self.generation).await?;
        if let Some(places) = places {
            self.progress.step("placing facts by the directory");
            self.report.placed = places.write(&self.scope, delay_ms, self.generation).await?;
        }
        Ok(())
    }

    /// Makes registers and ledger say what the facts say.
    async fn settle(&mut self) -> Result<(), Error> {
        for _ in 0..PASSES_MAX {
            self.progress.step("comparing registers with facts");
            self.sink.sync().await?;
            // What is marked or placed now is in the books, whoever did it.
            self.scope = Scope::read(self.scope.warehouse).await?;
            let cells = registers::unequal(&self.scope, Facts::Stored).await?;
            let mut chunks: BTreeSet<_> = self.scope.behind().cloned().collect();
            chunks.extend(cells.iter().map(|cell| cell.chunk.clone()));
            if chunks.is_empty() {
                return Ok(());
            }
            self.raise().await?;
            for chunk in chunks {
                for cell in cells.iter().filter(|cell| cell.chunk == chunk) {
                    self.progress.step(&cell.to_string());
                    self.correct(cell, Facts::Stored).await?;
                }
                self.enter(&chunk).await?;
            }
        }
        Err(Error::Unsettled)
    }

    /// Takes a generation above all that were used.
    async fn raise(&mut self) -> Result<(), Error> {
        self.generation = self.scope.next_generation().await?.max(self.generation + 1);
        if planted!(GenerationUsedAgain) {
            self.generation -= 1;
        }
        u16::try_from(self.generation).map(|_| ()).map_err(|_| Error::Generations(self.generation))
    }

    /// Puts the registers of a cell right, or tells how.
    async fn correct(&mut self, cell: &Cell, facts: Facts<'_>) -> Result<(), Error> {
        self.amendments.begin(cell);
        let chunk = self.scope.warehouse.chunk;
        // Days after boards, of whose figures theirs tell: whoever is interrupted in between tells of no change twice.
        for grain in [Grain::Board, Grain::Day, Grain::Minute] {
            if planted!(MinutesForgotten) && grain == Grain::Minute {
                continue;
            }
            if grain == Grain::Minute {
                self.amendments.recall(&self.scope.warehouse).await?;
            }
            let bits = if grain == Grain::Minute { chunk.bits } else { chunk.day_bits };
            let text = registers::differing(&self.scope, cell, grain, facts);
            let doing = |source| sink::Error::new("compare registers with facts", source);
            let mut found = self.scope.warehouse.client.query_raw(&text).fetch::<Register>().map_err(doing)?;
            let (mut batch, place) = (Vec::<Register>::new(), Grained { grain, bits });
            while let Some(register) = found.next().await.map_err(doing)? {
                if batch.len() >= BATCH_MAX {
                    self.write(cell, &batch, place).await?;
                    batch.clear();
                }
                batch.push(register);
            }
            self.write(cell, &batch, place).await?;
        }
        Ok(())
    }

    async fn write(&mut self, cell: &Cell, batch: &[Register], place: Grained) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let told = if place.grain == Grain::Board && cell.by_day {
            Vec::new()
        } else {
            self.amendments.of(batch, place.grain, self.generation)
        };
        self.report.registers += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        if !self.report.dry_run {
            let generation = u16::try_from(self.generation).map_err(|_| Error::Generations(self.generation))?;
            let tellings = amendments::encode(&told, cell, generation);
            if !planted!(ToldAfterwards) {
                self.sink.insert(Table::Amendments, &tellings).await?;
            }
            let mut rows = Rows::default();
            for register in batch {
                if !(planted!(ZerosForgotten) && register.is_zeros()) {
                    registers::encode(&mut rows, cell, register, place, generation);
                }
            }
            let table = match place.grain {
                Grain::Minute => Table::Minutes,
                Grain::Day => Table::Days,
                Grain::Board => Table::Boards,
            };
            self.sink.insert(table, &rows).await?;
            if planted!(ToldAfterwards) {
                self.sink.insert(Table::Amendments, &tellings).await?;
            }
        }
        self.report.amended += u64::try_from(told.len()).unwrap_or(u64::MAX);
        let room = LINES_MAX.saturating_sub(self.report.amendments.len());
        self.report.amendments.extend(told.into_iter().take(room));
        Ok(())
    }

    /// Enters what is left of a chunk: records that were marked are duplicates and no longer counted.
    async fn enter(&self, chunk: &DayChunk) -> Result<(), Error> {
        let Some(books) = self.scope.books.get(chunk).filter(|_| !planted!(LedgerNotEntered)) else { return Ok(()) };
        let counted: Vec<_> =
            books.iter().map(|books| format!("({}, {})", books.src_chunk, books.unmarked())).collect();
        let generation = self.generation;
        let DayChunk { origin, .. } = chunk;
        let text = format!(
            "INSERT INTO ledger ({LEDGER_COLUMNS}) SELECT src_topic, src_partition, src_chunk, next_offset, received, rejected, \
             received - rejected - n, n, {generation}, {FOLD}, first_date, last_date, topic_id, \
             bitOr(bitShiftLeft(toUInt64({generation}), 48), next_offset) FROM chunks AS c INNER JOIN \
             values('chunk UInt64, n UInt64', {}) AS b ON c.src_chunk = b.chunk \
             WHERE src_topic = '{}' AND src_partition = {}",
            counted.join(", "),
            origin.topic,
            origin.partition
        );
        Ok(self.scope.warehouse.execute("enter what was corrected", &text).await?)
    }
}

impl Report {
    fn new(days: Days, dry_run: bool) -> Self {
        Self {
            days,
            dry_run,
            duplicates: 0,
            placed: 0,
            registers: 0,
            amended: 0,
            amendments: Vec::new(),
            open: 0,
            refused: Vec::new(),
        }
    }

    /// Whether every chunk of the range that is closed could be corrected.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.refused.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for amendment in &self.amendments {
            writeln!(out, "{amendment}")?;
        }
        let shown = u64::try_from(self.amendments.len()).unwrap_or(u64::MAX);
        if let Some(more @ 1..) = self.amended.checked_sub(shown) {
            writeln!(out, "{more} more")?;
        }
        for chunk in &self.refused {
            writeln!(
                out,
                "✗ {chunk}: left alone, its facts are not those that the ledger counts; see `yinliu verify`"
            )?;
        }
        if self.open > 0 {
            writeln!(
                out,
                "! {} records lie in chunks that are still open: the running pipeline keeps those",
                self.open
            )?;
        }
        let (from, to) = (window::civil_of(self.days.from), window::civil_of(self.days.to));
        let Self { duplicates, placed, amended, registers, .. } = self;
        if duplicates + placed + registers == 0 {
            return writeln!(out, "{from} to {to}: nothing to correct");
        }
        let doing = if self.dry_run { "would be corrected" } else { "corrected" };
        writeln!(
            out,
            "{from} to {to}: {amended} figures {doing} ({registers} registers); {duplicates} duplicates, {placed} facts placed"
        )
    }
}
