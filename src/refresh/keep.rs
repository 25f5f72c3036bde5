//! Runs on a schedule, as a part of the pipeline's process.
//!
//! Invariant: a run that fails is told and tried again; it never ends the process, for nothing else depends on it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Settings, run};
use crate::{
    config,
    log::{Repeated, chain},
    progress::Telling,
};

const FAILED: &str = "figures could not be refreshed";

/// Refreshes until `shutdown`. A run that is going on then is left where it is: the next one takes it up.
pub async fn keep(config: config::Config, shutdown: CancellationToken) {
    let mut faults = Repeated::new(Duration::from_secs(30));
    let settings = Settings { telling: Telling::Nothing, ..Settings::default() };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(config.refresh.interval) => {}
        }
        let result = tokio::select! {
            () = shutdown.cancelled() => return,
            result = run(&settings, &config) => result,
        };
        match result {
            Ok(report) => {
                faults.recovered(Instant::now(), FAILED);
                tracing::debug!(customers = report.customers, days = report.days, "figures are refreshed");
            }
            Err(error) => faults.warn(Instant::now(), FAILED, &chain(&error)),
        }
    }
}
