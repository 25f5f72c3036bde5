//! Runs the model: finds the day's midnights, keeps the pace, tells how far it is, stops when asked.
//!
//! Invariant: blocks its thread; the only clocks are the one that it is given, for what the records say, and a
//! monotonic one, for the pace.

use std::{
    io::{self, BufWriter},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{Timestamp, civil::Date};
use tokio_util::sync::CancellationToken;

use super::{
    Day, Delivery, Destination, Error, Model, Plot, Settings, Summary,
    brand::Brand,
    outlet::{Kafka, Lines, Names, Outlet},
    reference,
    rhythm::{self, DAY_MS, Span},
};
use crate::{progress::Progress, source};

/// Gives the time: milliseconds since the epoch.
pub type Clock<'a> = &'a dyn Fn() -> i64;

/// Generates until the day is told, or, live, until `shutdown`. Blocks; from async code call it on a thread for that.
///
/// # Errors
/// Settings that fit no brand or no day, brokers that do not answer, an output that takes nothing any more. A reader who
/// has read enough (a closed pipe) is no error.
pub fn run(
    settings: &Settings,
    kafka: &source::Config,
    clock: Clock<'_>,
    shutdown: &CancellationToken,
) -> Result<Summary, Error> {
    // What makes no sense is told before anybody is waited for.
    let plan = plan(settings, clock())?;
    match settings.destination {
        Destination::Kafka => tell(plan, settings, &mut Kafka::connect(kafka, shutdown.clone())?, clock, shutdown),
        Destination::Stdout => {
            let writer = BufWriter::with_capacity(1 << 16, io::stdout().lock());
            tell(plan, settings, &mut Lines::new(writer, Names::new(&kafka.topics)?), clock, shutdown)
        }
    }
}

/// Generates into any outlet.
///
/// # Errors
/// As [`run`].
pub fn drive(
    settings: &Settings,
    outlet: &mut dyn Outlet,
    clock: Clock<'_>,
    shutdown: &CancellationToken,
) -> Result<Summary, Error> {
    tell(plan(settings, clock())?, settings, outlet, clock, shutdown)
}

fn tell(
    (brand, span, date): Plan,
    settings: &Settings,
    outlet: &mut dyn Outlet,
    clock: Clock<'_>,
    shutdown: &CancellationToken,
) -> Result<Summary, Error> {
    let total = if settings.live { settings.limit } else { Some(settings.count) };
    let progress = Progress::start(settings.telling);
    progress.count("generating records", total);
    let mut stream = Stream {
        outlet,
        shutdown,
        progress,
        started: Instant::now(),
        sent: 0,
        limit: settings.limit.unwrap_or(u64::MAX),
    };
    let mut model = Model::new(Arc::clone(&brand), span.start_ms, span.midnight_ms);
    match settings.plot {
        Plot::Chance => {}
        Plot::Prologue => model.keep_code(),
        Plot::Story => model.tell_story(span.end_ms),
    }
    let rows = reference::rows(&brand, date, span.start_ms).map_err(Error::Calendar)?;
    let told = stream.tell(&rows, &mut model, settings, (span, clock));
    match told {
        Err(Error::Write(source)) if source.kind() == io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    let elapsed = stream.started.elapsed();
    let (failed, last_failure) = match stream.outlet.finish() {
        Err(Error::Write(source)) if source.kind() == io::ErrorKind::BrokenPipe => (0, None),
        other => other?,
    };
    Ok(Summary {
        tally: model.tally().clone(),
        reference: u64::try_from(rows.len()).unwrap_or(0),
        failed,
        last_failure,
        elapsed,
        planned: model.into_planned(),
    })
}

/// Today in the brand's zone, and of so many records of a whole day those until now, by the rhythm of a day.
///
/// # Errors
/// A time zone that nobody knows, a date that no calendar has.
pub fn so_far(settings: &Settings, whole: u64, now_ms: i64) -> Result<(Date, u64), Error> {
    let (span, date) = span(&Settings { day: Day::Today, ..settings.clone() }, &Brand::new(settings)?, now_ms)?;
    let day = Span { end_ms: span.start_ms + DAY_MS, ..span };
    let part = |work: i64| u128::from(work.unsigned_abs());
    let records = u128::from(whole) * part(rhythm::work(&span)) / part(rhythm::work(&day)).max(1);
    Ok((date, u64::try_from(records).unwrap_or(whole)))
}

/// The brand, the day to tell and its date.
type Plan = (Arc<Brand>, Span, Date);

fn plan(settings: &Settings, now_ms: i64) -> Result<Plan, Error> {
    if (settings.count == 0 && !settings.live) || settings.limit == Some(0) {
        return Err(Error::Nothing);
    }
    let brand = Brand::new(settings)?;
    let (span, date) = span(settings, &brand, now_ms)?;
    Ok((Arc::new(brand), span, date))
}

/// The day to tell and its date: all of a past one, today's until now.
fn span(settings: &Settings, brand: &Brand, now_ms: i64) -> Result<(Span, Date), Error> {
    let calendar = Error::Calendar;
    let now = Timestamp::from_millisecond(now_ms).map_err(calendar)?.to_zoned(brand.time_zone.clone());
    let date = match settings.day {
        Day::Past(date) if date > now.date() => return Err(Error::FutureDay(date)),
        Day::Past(date) if settings.live && date != now.date() => return Err(Error::LiveAfterPast(date)),
        Day::Past(date) => date,
        Day::Today => now.date(),
    };
    let start = date.to_zoned(brand.time_zone.clone()).map_err(calendar)?;
    let start_ms = start.timestamp().as_millisecond();
    let end = start.tomorrow().and_then(|next| next.start_of_day()).map_err(calendar)?;
    let end_ms = end.timestamp().as_millisecond().min(now_ms);
    Ok((Span { start_ms, end_ms, midnight_ms: start_ms }, date))
}

/// The way from the model to the outlet.
struct Stream<'a> {
    outlet: &'a mut dyn Outlet,
    shutdown: &'a CancellationToken,
    progress: Progress,
    started: Instant,
    sent: u64,
    limit: u64,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Stream<'_> {
    /// The reference rows, the day, and, live, what comes after.
    fn tell(
        &mut self,
        rows: &[Delivery],
        model: &mut Model,
        settings: &Settings,
        (span, clock): (Span, Clock<'_>),
    ) -> Result<(), Error> {
        for row in rows {
            self.outlet.send(row)?;
        }
        // The story so far of a live stream is told at once.
        let mut pace = Pace::new(if settings.live { 0 } else { settings.rate });
        let mut day = model.day(span, settings.count);
        while settings.count > 0 && self.wait(&mut pace) == Next::Go {
            let Some(delivery) = day.next() else { break };
            self.send(&delivery)?;
        }
        if settings.live {
            let mut pace = Pace::new(settings.rate);
            while self.wait(&mut pace) == Next::Go {
                self.send(&model.now(clock()))?;
            }
        }
        Ok(())
    }

    fn send(&mut self, delivery: &Delivery) -> Result<(), Error> {
        // A bar or a line wants to know every so often, not a million times a second.
        const TELL_EVERY: u64 = 1_024;
        self.outlet.send(delivery)?;
        self.sent += 1;
        if self.sent.is_multiple_of(TELL_EVERY) {
            self.progress.done(self.sent);
        }
        Ok(())
    }

    /// Waits until the next record is due.
    fn wait(&mut self, pace: &mut Pace) -> Next {
        loop {
            if self.shutdown.is_cancelled() || self.sent >= self.limit {
                return Next::Stop;
            }
            match pace.ahead(Instant::now()) {
                None => return Next::Go,
                Some(ahead) => {
                    self.progress.done(self.sent);
                    self.outlet.idle(ahead.clamp(REST, LOOK_UP));
                }
            }
        }
    }
}

/// A wait is no shorter: what is due 50 µs apart is sent a hundred at a time, for waits of less than a millisecond are none
/// to Kafka's client, and kept a core busy.
const REST: Duration = Duration::from_millis(5);
/// A wait looks up after this long, to stop when asked and to tell how far it is.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Holds a rate on average over the last second: what was missed before that is not made up for in a burst.
#[derive(Debug)]
struct Pace {
    /// 0 is as fast as it goes.
    rate: u32,
    from: Instant,
    taken: u32,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { rate, from: Instant::now(), taken: 0 }
    }

    /// Takes a turn, or says how long it is until there is one.
    fn ahead(&mut self, now: Instant) -> Option<Duration> {
        if self.rate == 0 {
            return None;
        }
        let due = Duration::from_secs(u64::from(self.taken)) / self.rate;
        let elapsed = now.saturating_duration_since(self.from);
        if let Some(ahead) = due.checked_sub(elapsed).filter(|ahead| !ahead.is_zero()) {
            return Some(ahead);
        }
        if elapsed > due + Duration::from_secs(1) || self.taken >= self.rate {
            // Begins anew from where it should be, at most a second ago.
            let begin = due.max(elapsed.saturating_sub(Duration::from_secs(1)));
            self.from += begin;
            self.taken = 0;
        }
        self.taken += 1;
        None
    }
}

#[cfg(test)]
mod tests;
