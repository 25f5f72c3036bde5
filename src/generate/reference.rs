//! The rows of the compacted topics: who works where, what codes mean, targets and contests.
//!
//! Invariant: one row per key, in a fixed order; the model's figures do not depend on them but for the codes.

use jiff::{ToSpan, civil::Date};
use serde_json::{Value, json};

use super::{
    Delivery, Topic,
    brand::{Brand, campaign_id},
    channel,
};

/// Every row, stamped `timestamp_ms`; targets and contests are for this business date.
///
/// # Errors
/// A date whose neighbours no calendar has.
pub fn rows(brand: &Brand, date: Date, timestamp_ms: i64) -> Result<Vec<Delivery>, jiff::Error> {
    let row = |topic, key: String, body: &Value| Delivery {
        topic,
        key: format!("{}/{key}", brand.corp_id),
        timestamp_ms,
        value: body.to_string().into_bytes(),
    };
    let mut rows = Vec::new();
    for (at, member) in brand.staff.iter().enumerate() {
        let store = brand.store_of(at);
        let region = &brand.regions[store.region];
        let body = json!({
            "corp_id": brand.corp_id, "staff_id": member.id, "staff_name": member.name,
            "store_id": store.id, "store_name": store.name, "region_id": region.id, "region_name": region.name,
            "active": true,
        });
        rows.push(row(Topic::Org, member.id.clone(), &body));
    }
    for code in &brand.codes {
        let body = json!({
            "corp_id": brand.corp_id, "state": code.state, "channel": channel::channel(code.channel).key,
            "campaign_id": code.campaign.map_or("", campaign_id), "label": code.label,
        });
        rows.push(row(Topic::Channel, code.state.clone(), &body));
    }
    for (level, id, target) in targets(brand) {
        let body = json!({
            "corp_id": brand.corp_id, "level": level, "id": id, "business_date": date.to_string(),
            "metric": "adds", "target": target,
        });
        rows.push(row(Topic::Target, format!("{level}/{id}/{date}"), &body));
    }
    for (id, body) in contests(brand, date)? {
        rows.push(row(Topic::Contest, id, &body));
    }
    Ok(rows)
}

/// Adds that are hoped for: so many per head, summed up the hierarchy.
fn targets(brand: &Brand) -> Vec<(&'static str, String, usize)> {
    let per_head = brand.target_per_head;
    let mut targets = vec![("corp", brand.corp_id.clone(), brand.staff.len() * per_head)];
    for (at, region) in brand.regions.iter().enumerate() {
        let heads: usize = brand.stores.iter().filter(|store| store.region == at).map(|store| store.staff.len()).sum();
        targets.push(("region", region.id.clone(), heads * per_head));
    }
    targets.extend(brand.stores.iter().map(|store| ("store", store.id.clone(), store.staff.len() * per_head)));
    targets.extend(brand.staff.iter().map(|member| ("staff", member.id.clone(), per_head)));
    targets
}

/// Two contests of the week of this date: regions per head, and the first stores in total.
fn contests(brand: &Brand, date: Date) -> Result<[(String, Value); 2], jiff::Error> {
    let midnight = |date: Date| -> Result<i64, jiff::Error> {
        Ok(date.to_zoned(brand.time_zone.clone())?.timestamp().as_millisecond())
    };
    let monday = date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days())?;
    let (starts_at, ends_at) = (midnight(monday)?, midnight(monday.checked_add(7.days())?)?);
    let contest = |id: &str, name: &str, (level, basis): (&str, &str), ids: Vec<&str>| {
        let id = format!("{id}-{monday}");
        let body = json!({
            "corp_id": brand.corp_id, "contest_id": id, "name": name, "level": level, "ids": ids,
            "metric": "adds", "basis": basis, "starts_at": starts_at, "ends_at": ends_at,
        });
        (id, body)
    };
    let regions = brand.regions.iter().map(|region| region.id.as_str()).collect();
    let stores = brand.stores.iter().take(8).map(|store| store.id.as_str()).collect();
    Ok([
        contest("pk-regions", "大区人均加粉PK", ("region", "per_head"), regions),
        contest("pk-stores", "八店争霸", ("store", "total"), stores),
    ])
}
