//! Statements on the engine: one connection each, on threads that may block.
//!
//! Invariant: an insert is committed only when its body has ended as it should; else it is cancelled.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task;

use super::chdb::{Answer, Connection, Library};
use super::exception::{Exception, Fault};

/// Statements that run at once; others wait for their turn. Each holds a thread and its own buffers (an insert about
/// 10 MB), and two cores gain nothing from more; the pipeline, the board and a person together use fewer.
const STATEMENTS_MAX: u32 = 16;

/// Pieces of a body between the socket and the engine. One is being inserted while the next ones arrive; the engine
/// keeps 16 more of its own.
pub(super) const PIECES_AHEAD: usize = 4;

/// What holds for one statement alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) database: Option<String>,
    pub(super) settings: Vec<(String, String)>,
    /// Without `param_`; values as fields of TabSeparated.
    pub(super) parameters: Vec<(String, String)>,
}

/// A body on its way into an insert. A channel that closes without `End` is a client that went away.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    End,
}

#[derive(Debug)]
pub(super) struct Sessions {
    library: &'static Library,
    data: PathBuf,
    turns: Arc<Semaphore>,
}

impl Sessions {
    pub(super) fn new(library: &'static Library, data: PathBuf) -> Self {
        let turns = usize::try_from(STATEMENTS_MAX).expect("16 fits everywhere");
        Self { library, data, turns: Arc::new(Semaphore::new(turns)) }
    }

    /// Runs one statement that takes no data.
    pub(super) async fn query(&self, scope: Scope, statement: Bytes, format: String) -> Result<Answer, Exception> {
        self.run(move |library, data| {
            let connection = open(library, data, &scope)?;
            connection.query(&statement, &format, &scope.parameters).map_err(|text| Exception::from_engine(&text))
        })
        .await
    }

    /// Runs an insert, `INSERT INTO … ` without `FORMAT`; returns when the engine holds the rows.
    pub(super) async fn insert(&self, scope: Scope, insert: Insert) -> Result<Answer, Exception> {
        self.run(move |library, data| {
            let connection = open(library, data, &scope)?;
            insert_pieces(&connection, &scope, insert)
        })
        .await
    }

    /// Waits for the statements that run, and lets no other begin.
    pub(super) async fn close(&self) {
        // It fails only if closed before.
        if let Ok(turns) = self.turns.acquire_many(STATEMENTS_MAX).await {
            turns.forget();
            self.turns.close();
        }
    }

    async fn run<F>(&self, work: F) -> Result<Answer, Exception>
    where
        F: FnOnce(&'static Library, &PathBuf) -> Result<Answer, Exception> + Send + 'static,
    {
        let stopping = || Exception::of_request(Fault::Stopping, "The engine is stopping");
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_closed| stopping())?;
        let (library, data) = (self.library, self.data.clone());
        let outcome = task::spawn_blocking(move || {
            let answer = work(library, &data);
            // Given back after the connection is closed: `close` must not overtake it.
            drop(turn);
            answer
        });
        // It fails only if `work` panicked or the runtime is going away.
        outcome.await.unwrap_or_else(|_| Err(stopping()))
    }
}

#[derive(Debug)]
pub(super) struct Insert {
    pub(super) head: Bytes,
    pub(super) format: String,
    pub(super) pieces: mpsc::Receiver<Piece>,
}

fn insert_pieces(connection: &Connection, scope: &Scope, mut body: Insert) -> Result<Answer, Exception> {
    let failed = |text: String| Exception::from_engine(&text);
    let mut insert = connection.insert(&body.head, &body.format, &scope.parameters).map_err(failed)?;
    while let Some(piece) = body.pieces.blocking_recv() {
        match piece {
            Piece::End => return insert.finish().map_err(failed),
            // The engine does not say here what is wrong; it does at the end.
            Piece::Data(data) if insert.append(&data).is_err() => return insert.finish().map_err(failed),
            Piece::Data(_) => {}
        }
    }
    Err(Exception::of_request(Fault::CutOff, "The body ended before its time; nothing was inserted"))
}

fn open(library: &'static Library, data: &PathBuf, scope: &Scope) -> Result<Connection, Exception> {
    let connection =
        library.connect(data).ok_or_else(|| Exception::of_request(Fault::Stopping, "The engine gave no connection"))?;
    let run = |statement: &str| {
        let answer = connection.query(statement.as_bytes(), "Null", &[]);
        answer.map(drop).map_err(|text| Exception::from_engine(&text))
    };
    if let Some(database) = scope.database.as_deref().filter(|database| !database.is_empty()) {
        run(&format!("USE {}", quote(database, '`')))?;
    }
    // `implicit_select` is on in an embedded engine alone; a server answers `selec 1` with a syntax error.
    let settings = [("implicit_select".to_owned(), "0".to_owned())];
    let settings = settings.iter().chain(&scope.settings);
    let settings: Vec<String> =
        settings.map(|(name, value)| format!("{} = {}", quote(name, '`'), quote(value, '\''))).collect();
    run(&format!("SET {}", settings.join(", ")))?;
    Ok(connection)
}

fn quote(text: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for character in text.chars() {
        if character == quote || character == '\\' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_cannot_end_its_text() {
        assert_eq!(quote("a'b\\", '\''), "'a\\'b\\\\'");
        assert_eq!(quote("a`b'", '`'), "`a\\`b'`");
    }
}
