//! Days of generated brands, told through Kafka to a running pipeline, in a zone where it is noon now.
//!
//! Invariant: whenever a test runs, half of the day is over; what is told is reproducible but for the date.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use yinliu::{
    generate::{self, Day, Destination, Settings, brand::Brand},
    progress::Telling,
};

use super::{
    stage::{SOON, Stage},
    yinliu::Yinliu,
};

/// A brand with its days, counted; the pipeline goes on.
pub(crate) struct Told {
    pub(crate) brand: Brand,
    pub(crate) zone: String,
    pub(crate) config: Value,
    pub(crate) pipeline: Yinliu,
}

/// The corp with figures, and the one with none of today.
pub(crate) const CORP: &str = "ww-busy";
pub(crate) const QUIET: &str = "ww-quiet";

/// Days before today that are told: the baselines, and the weekdays by which a day is foreseen.
const DAYS_BACK: [i64; 6] = [28, 21, 14, 7, 1, 0];
/// Of one day: hundreds of adds, told within a second.
const RECORDS: u64 = 8_000;

/// The wall clock.
#[allow(clippy::disallowed_methods, reason = "what is told is of today, and the engine has the wall clock too")]
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A zone without changes of time in which it is between 12 and 13 o'clock.
fn zone_at_noon(now_ms: i64) -> String {
    match 12 - now_ms.div_euclid(3_600_000).rem_euclid(24) {
        0 => "Etc/UTC".to_owned(),
        // POSIX counts hours to the west.
        hours if hours > 0 => format!("Etc/GMT-{hours}"),
        hours => format!("Etc/GMT+{}", -hours),
    }
}

impl Told {
    pub(crate) async fn tell(stage: &Stage<'_>) -> Self {
        let zone = zone_at_noon(now_ms());
        stage.build(2).await;
        stage.create_board_topics().await;
        let mut config = stage.config();
        config["corp"] = json!({ CORP: { "time_zone": zone }, QUIET: { "time_zone": zone } });
        config["refresh"] = json!({ "interval": "1s" });
        let pipeline = Yinliu::start(&config);
        let busy = settings(CORP, &zone, (2, 8, 48));
        let quiet = settings(QUIET, &zone, (1, 2, 6));
        let today = Timestamp::from_millisecond(now_ms()).unwrap().to_zoned(TimeZone::get(&zone).unwrap()).date();
        let past = DAYS_BACK.map(|back| if back == 0 { Day::Today } else { Day::Past(today - back.days()) });
        let kafka: yinliu::source::Config = serde_json::from_value(config["kafka"].clone()).unwrap();
        let days = past.map(|day| Settings { day, count: RECORDS, ..busy.clone() });
        let yesterday = Settings { day: Day::Past(today - 1.days()), count: 600, ..quiet };
        let telling = tokio::task::spawn_blocking(move || {
            for settings in days.iter().chain([&yesterday]) {
                generate::run(settings, &kafka, &now_ms, &CancellationToken::new()).unwrap();
            }
        });
        telling.await.unwrap();
        stage.until_in(SOON).await;
        Self { brand: Brand::new(&busy).unwrap(), zone, config, pipeline }
    }
}

fn settings(corp: &str, zone: &str, (regions, stores, staff): (u32, u32, u32)) -> Settings {
    Settings {
        destination: Destination::Kafka,
        corp: corp.to_owned(),
        time_zone: zone.to_owned(),
        regions,
        stores,
        staff,
        telling: Telling::Nothing,
        ..Settings::default()
    }
}
