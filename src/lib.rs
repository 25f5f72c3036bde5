//! yinliu 引流: exact, live counts of WeCom friend acquisition. Kafka in, ClickHouse out.
//!
//! ```text
//!             Kafka topics (friend · message · order · touch)         org · channel · target · contest
//!                          │                                                   │
//!    source ──▶ decode ──▶ dedup ──▶ enrich ◀── directory ◀── reference ◀──────┘
//!      ▲          │                     │
//!      │          ▼                     ▼
//!      │       letters               window ──▶ chunk ──▶ batch ──▶ sink ──▶ ClickHouse ──▶ board, SQL
//!      │                           (minute, day)  (registers)                    │
//!      └──────────────── receipt: ledger row, then commit ◀──────────────────────┘
//! ```
//!
//! [`partition`] is the middle of the picture: one record after another goes through decode, dedup, enrich, window and
//! chunk, and comes out as a count, a duplicate or a dead letter. [`pipeline`] holds the stages together. One arrow
//! returns: the receipt. Back-pressure is the absence of a poll.
//!
//! # The idea: registers with a high-water offset
//!
//! The offsets of each partition are cut in fixed chunks. Within a chunk, a row of a rollup is a *register*: the
//! absolute count for one key, and the offset below which it is complete. A flush writes the changed rows again with a
//! larger version; a reader takes the newest version of each row and sums over the chunks, which the views do.
//!
//! - An event at offset `o` changes a register only if `o` is at or beyond the register's high water. What an insert
//!   brought in already is recognised row by row, even if it reached one table partition and not the other.
//! - Registers stand in three tables: by minute, by day, and by day for boards, where a member of staff has one over all
//!   channels and a channel one over a region: a twenty-fifth of the rows ([`chunk::Boards`]).
//! - A flush writes facts, then registers, then one row of the *ledger* for each chunk. The ledger alone says where to
//!   start; Kafka's committed offset follows it for lag tools, and nothing depends on it.
//! - At the start of a partition the ledger, the registers of the open chunk and the facts beyond the ledger are read,
//!   and the log from a dedup horizon before the position. No checkpoint store, no replay of the chunk.
//! - A retried insert, a late one of a process that lost the partition, two owners at once, a crash between rows and
//!   ledger: each writes registers that are true. Nothing has to be fenced.
//!
//! The balance that holds at every instant: received = rejected + duplicate + counted ([`batch::Tally::balances`]).
//!
//! # Rooms, in reading order
//!
//! Each room may use those above it; `tests/tidy.rs` reads the tables, and holds the code to them. The first are *pure*: no
//! clock, file, socket, thread or log line; time and tables arrive as values.
//!
//! | pure room | does | never |
//! |---|---|---|
//! | [`event`] | names records, events, counters, refusals | decides |
//! | [`mutants`] | names bugs to plant, by which the simulation is tested | is there in a binary that counts |
//! | [`corp`], [`window`] | zone and currency of a tenant; minute and business day of an event | asks what time it is |
//! | [`decode`] | record to event, or the first reason to refuse it | fails on bad data |
//! | [`dedup`] | says whether a record repeats an earlier one | looks at a clock |
//! | [`directory`], [`enrich`] | who worked where when; region, store, channel of an event | changes a row |
//! | [`batch`], [`chunk`] | encodes rows once; counts within a chunk | forgets what was not flushed |
//! | [`partition`] | one record through all of the above; starts from what was loaded | builds on rows that do not add up |
//!
//! The others act: they ask for the time, read, write, wait and tell.
//!
//! | room | does | never |
//! |---|---|---|
//! | [`config`] | settings in layers, every mistake at once | shows a secret |
//! | [`source`], [`sink`] | Kafka; ClickHouse. The seams with traits (records, ends of the log; rows), where tests put their own | decides about an error |
//! | [`log`], [`metrics`], [`admin`] | what operators read | carries personal data |
//! | [`progress`] | how far a command is: on its terminal, or in lines | changes what a command does |
//! | [`letters`] | dead letters to their topic, by a post that tests replace | drops one |
//! | [`mod@reference`] | reference topics and files into the directory, and into ClickHouse | claims to know more than it read |
//! | [`pipeline`] | worker, flush, loader, monitor | waits for one partition |
//! | [`mod@refresh`] | cohort figures, from the facts of the customers that changed | adds to what stands: its rows are absolute |
//! | [`forget`] | erases one customer | changes a figure |
//! | [`top`] | rates, lag and leaders in a terminal | speaks of one process alone |
//! | [`export`] | days of a view as files | leaves half a file under the name of a whole one |
//! | [`migrate`], [`verify`], [`adopt`], [`validate`] | schema; the user's own check; recreated topics; before the start | change a count |
//! | [`reconcile`] | corrects closed chunks from the facts | touches what the pipeline may still write |
//! | [`dead_letters`] | shows refused records, sends them again | makes another event of one |
//! | [`board`] | the managers' page and its data | invents a figure |
//! | [`service`] | one process of all parts | starts on a database that does not fit |
//! | [`generate`], [`engine`], [`demo`] | a brand's day; ClickHouse inside the process; everything embedded | differ from the real path |
//! | [`cli`] | what may be asked of the program | decides |
//! | [`program`] | arguments, settings, one command, how it ended | tells an error twice |
//! | `hostile` | tries every door with any bytes, in tests and under the fuzzer | is there in a program that counts |
//!
//! # Why not …
//!
//! - **… deltas into a summing table?** At-least-once delivery counts them twice after every crash.
//! - **… insert deduplication tokens?** They are remembered for an hour or 10,000 blocks, per table partition, and not
//!   at all on plain tables; a Kafka commit is no fence that could end their need.
//! - **… a state store?** A second system to run, back up and restore; and after a restore of ClickHouse the two
//!   disagree. Here the position lies beside the data, and a restored copy heals itself as far as the log reaches.
//! - **… one consumer for all threads?** A member of the group for each thread needs no locks, and splitting the queues
//!   of one consumer can lose wake-ups in the client library.
//! - **… the commit as the position?** A former owner's commit can move it back, with success.
//! - **… timestamps of records for freshness?** Producers set them. A partition is complete through the moment at which
//!   the brokers were asked for its end, once everything below that end is in ([`pipeline::progress`]).
//! - **… fencing of former owners?** What they write is true, as far as the log and the directory tell both the same.
//!   Two cases are beyond that. A member of staff without any row in the directory, whose first row arrives while two
//!   owners count the same records (or a record stamped ahead of the clock by more than the delay of the directory):
//!   they may place those records in different stores, `verify` shows it, and the partition is held when it starts
//!   next. And retention that takes records which one owner has read and the other never will, or by which one of them
//!   recognises duplicates: it has to reach into what is not counted, or within the dedup horizon of it.
//! - **… trust in what was acknowledged?** A warehouse that is restored from an older copy has forgotten some of it. Each
//!   stage of a flush is preceded by a look at the ledger; after a request that may have met the end of a server,
//!   everything in hand is sent again, and whoever stands upon rows that are not in hand starts again from the ledger.
//!   What goes unnoticed is a restore within a single request, or while a process is frozen in the middle of a flush.
//!
//! # Why a decision never depends on luck
//!
//! Between the ledger and a flush that never reached it, records are folded twice and must land in the same rows. So
//! the dedup horizon is a number of offsets and a span of record timestamps; lateness is the record's timestamp minus
//! the event's; a change of the directory holds from a fixed delay after its publication, and the pipeline holds back
//! while it has not read the directory that far. And for an offset that has a fact, the fact decides.
//!
//! # Why partitions take turns at the memory limit
//!
//! A chunk bounds what a partition holds, but by a hundred times what ordinary keys need. So there is a limit
//! (`memory.limit_mib`) on what the partitions of a process hold together. At the limit those that were read longest are
//! held (flushed, and let go of), and each is loaded and read again as soon as there is room, or else when its turn comes
//! after some seconds: nothing is lost, each partition goes on, and the metric, the log and `/readyz` say what helps.
//! [`pipeline::bound`] has the reasons against flushing earlier, dropping single registers, and shedding to others. One is
//! read however large, or its records would never be. The metric `memory_bound_bytes` is what the whole process stays below
//! by its settings, the size of its chunks and the rows of its directory.

pub mod event;

pub mod mutants;

pub mod corp;
pub mod window;

pub mod decode;
pub mod dedup;

pub mod directory;
pub mod enrich;

pub mod batch;
pub mod chunk;

pub mod partition;

pub mod config;

pub mod sink;
pub mod source;

pub mod admin;
pub mod log;
pub mod metrics;
pub mod progress;

pub mod letters;
pub mod reference;

pub mod pipeline;

pub mod adopt;
pub mod dead_letters;
pub mod export;
pub mod forget;
pub mod migrate;
pub mod reconcile;
pub mod refresh;
pub mod top;
pub mod validate;
pub mod verify;

pub mod board;
pub mod service;

pub mod demo;
pub mod engine;
pub mod generate;

pub mod cli;
pub mod program;

#[cfg(any(test, feature = "fuzzing"))]
pub mod hostile;
