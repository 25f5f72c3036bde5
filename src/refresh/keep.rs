//! Runs on a schedule, as a part of each process with a pipeline.
//!
//! Invariant: a run that fails is told and tried again; it never ends the process, for nothing else depends on it.
//!
//! # Why each process asks whether it is its turn
//! Any number of runs at once is right, and each costs what one costs: four processes had ClickHouse compute everything
//! four times.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Error, Report, Settings, is_due, run};
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
        // Of processes that started together one looks before the others.
        let wait = config.refresh.interval.mul_f64(1.0 + rand::random::<f64>() / 10.0);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let result = tokio::select! {
            () = shutdown.cancelled() => return,
            result = run_if_due(&settings, &config) => result,
        };
        match result {
            Ok(report) => {
                faults.recovered(Instant::now(), FAILED);
                if let Some(Report { customers, days, .. }) = report {
                    tracing::debug!(customers, days, "figures are refreshed");
                }
            }
            Err(error) => faults.warn(Instant::now(), FAILED, &chain(&error)),
        }
    }
}

/// Nothing where another process began a run of late, or is at it.
async fn run_if_due(settings: &Settings, config: &config::Config) -> Result<Option<Report>, Error> {
    Ok(if is_due(config).await? { Some(run(settings, config).await?) } else { None })
}
