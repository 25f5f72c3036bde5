//! Waiting for something that takes as long as it takes.
//!
//! Invariant: every wait has a deadline, and says what was expected and what was there instead.

use std::time::{Duration, Instant};

/// Between two looks: short against everything that is waited for.
const INTERVAL: Duration = Duration::from_millis(50);

/// Asks until the answer is a value; after `limit` fails with the last answer that was none.
pub(crate) async fn until<T>(
    expected: &str,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(found) => assert!(began.elapsed() < limit, "expected within {limit:?}: {expected}; found: {found}"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
