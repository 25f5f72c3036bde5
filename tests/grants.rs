//! `deploy/grants.sql`. The embedded engine has no users: it reads the statements, and what row policies would hide is hidden
//! by filters of the same text on the same tables.
//!
//! Invariant: policies are read from the file, tables and views from the warehouse, so that one which is added is not
//! forgotten.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

const GRANTS: &str = include_str!("../deploy/grants.sql");

fn statements() -> Vec<String> {
    let lines: Vec<_> = GRANTS.lines().filter(|line| !line.starts_with("--")).collect();
    let text = lines.join("\n");
    text.split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|s| !s.is_empty())
        .collect()
}

/// By role the filter of each table, in the database of the test.
fn policies() -> BTreeMap<String, BTreeMap<String, String>> {
    let mut policies: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for statement in statements() {
        let Some(rest) = statement.strip_prefix("CREATE ROW POLICY OR REPLACE ") else { continue };
        let (_, rest) = rest.split_once(" ON").unwrap();
        let (tables, rest) = rest.split_once("USING ").unwrap();
        let (filter, role) = rest.rsplit_once(" TO ").unwrap();
        for table in tables.split(',') {
            let table = table.trim().strip_prefix("yinliu.").unwrap().to_owned();
            let before = policies.entry(role.to_owned()).or_default().insert(table, filter.replace("yinliu.", ""));
            assert_eq!(before, None, "two filters of one table would show the rows of either");
        }
    }
    policies
}

fn revoked() -> BTreeSet<String> {
    let table = |statement: &String| {
        let rest = statement.strip_prefix("REVOKE SELECT ON yinliu.")?;
        rest.strip_suffix(" FROM yinliu_reader").map(str::to_owned)
    };
    statements().iter().filter_map(table).collect()
}

async fn texts(refreshed: &Refreshed, sql: &str) -> Vec<String> {
    refreshed.client.query_raw(sql).fetch_all().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_one_that_clickhouse_reads() {
    let refreshed = Refreshed::new("grants_read", &[]).await;
    assert!(statements().len() > 20);
    for statement in statements() {
        let read = refreshed.client.query("SELECT formatQuery(?)").bind(&statement).fetch_one::<String>().await;
        assert!(read.is_ok(), "{statement}: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_rows_of_corps_has_a_policy_for_each_role_or_is_not_read() {
    let refreshed = Refreshed::new("grants_tables", &[]).await;
    let with_corp = "SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'corp_id' AND table IN \
                     (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'View')";
    let revoked = revoked();
    let mut tables: BTreeSet<_> = texts(&refreshed, with_corp).await.into_iter().collect();
    tables.retain(|table| !revoked.contains(table));
    let policies = policies();
    assert_eq!(
        policies.keys().collect::<Vec<_>>(),
        ["yinliu_brand", "yinliu_brand_east", "yinliu_pipeline, yinliu_migration, yinliu_board, yinliu_dbt"]
    );
    for (role, filters) in policies {
        assert_eq!(filters.keys().cloned().collect::<BTreeSet<_>>(), tables, "{role}");
        for (table, filter) in filters {
            texts(&refreshed, &format!("SELECT toString(count()) FROM {table} WHERE {filter}")).await;
        }
    }
}

/// Two corps with the same people and days.
async fn two_corps() -> Refreshed {
    let mut refreshed = Refreshed::new("grants_views", &["brand", "other"]).await;
    let mut events = Vec::new();
    for corp in ["brand", "other"] {
        for (number, kind) in
            [Kind::Add, Kind::Add, Kind::Customer, Kind::Request, Kind::Inbound, Kind::Broadcast].iter().enumerate()
        {
            events.push(Happening {
                at_ms: instant("2025-03-10T10:00:00", "Asia/Shanghai") + i64::try_from(number).unwrap() * 60_000,
                corp: corp.to_owned(),
                customer: if *kind == Kind::Broadcast { String::new() } else { format!("x{}", number % 2) },
                staff: "s1".to_owned(),
                kind: *kind,
                id: format!("{corp}-{number}"),
                channel: "cashier".to_owned(),
                amount: 9,
            });
        }
        for insert in [
            format!(
                "org_log (corp_id, staff_id, store_id, region_id, active, published_at) VALUES ('{corp}', 's1', 'm', 'r', true, now64(3))"
            ),
            format!(
                "channel_log (corp_id, state, channel, `group`, published_at) VALUES ('{corp}', 'k', 'fair', 'event', now64(3))"
            ),
            format!(
                "cost_log (corp_id, business_date, channel, cost_fen, published_at) VALUES ('{corp}', '2025-03-10', 'cashier', 7, now64(3))"
            ),
            format!(
                "contest_log (corp_id, contest_id, name, level, metric, basis, starts_at, ends_at, published_at) VALUES ('{corp}', 'spring', 'Spring', 'store', 'adds', 'total', '2025-03-10 00:00:00', '2025-03-11 00:00:00', now64(3))"
            ),
            format!(
                "target_log (corp_id, level, id, business_date, metric, target, published_at) VALUES ('{corp}', 'store', 'm', '2025-03-10', 'adds', 5, now64(3)), ('{corp}', 'region', 'r', '2025-03-10', 'adds', 9, now64(3))"
            ),
            format!(
                "official_log (corp_id, business_date, staff_id, new_contact_cnt, published_at) VALUES ('{corp}', '2025-03-10', 's1', 7, now64(3))"
            ),
        ] {
            refreshed.execute(&format!("INSERT INTO {insert}")).await;
        }
    }
    refreshed.count(&events).await;
    refreshed.complete_through(instant("2025-03-20T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    refreshed
}

/// The filters as a setting, for rows of this region.
fn hidden(filters: &BTreeMap<String, String>, region: &str) -> String {
    let filter = |(table, filter): (&String, &String)| {
        let filter = filter.replace("'east'", &format!("'{region}'")).replace('\'', "\\'");
        format!("'grants_views.{table}': '{filter}'")
    };
    format!("additional_table_filters = {{{}}}", filters.iter().map(filter).collect::<Vec<_>>().join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_shows_a_role_its_corp_and_region_as_everyone_sees_them_and_nothing_else() {
    let refreshed = two_corps().await;
    let views = "SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'corp_id' AND table IN \
                 (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View') ORDER BY table";
    let (views, policies) = (texts(&refreshed, views).await, policies());
    assert!(views.len() > 20, "{views:?}");
    let rows = async |view: &str, filter: &str, settings: &str| {
        let columns = "* APPLY toString";
        let lag = if view == "v_freshness" { " EXCEPT lag_seconds" } else { "" };
        let columns = columns.replacen('*', &format!("*{lag}"), 1);
        let sql = format!(
            "SELECT toString(tuple({columns})) AS row FROM {view}{filter} ORDER BY row SETTINGS max_threads = 2{settings}"
        );
        texts(&refreshed, &sql).await
    };
    for view in &views {
        // A channel that every corp has is of none.
        let right = rows(view, " WHERE corp_id IN ('brand', '')", "").await;
        for (role, filters) in policies.iter().filter(|(role, _)| role.starts_with("yinliu_brand")) {
            let seen = rows(view, "", &format!(", {}", hidden(filters, "r"))).await;
            let knows_no_region = [
                "v_official_1d",
                "v_costs_1d",
                "v_cohort_costs_1d",
                "v_campaign_costs_1d",
                "v_contests",
                "contests_history",
            ]
            .contains(&view.as_str());
            let none = Vec::new();
            let right = if knows_no_region && role == "yinliu_brand_east" { &none } else { &right };
            assert_eq!(&seen, right, "{view} as {role} sees it");
        }
        let elsewhere = rows(view, "", &format!(", {}", hidden(&policies["yinliu_brand_east"], "west"))).await;
        let counted = view.starts_with("v_counts")
            || view.starts_with("v_cohorts")
            || view == "events"
            || view == "v_episodes"
            || view == "v_official_1d";
        assert!(!counted || (elsewhere.is_empty() && !right.is_empty()), "{view} shows another region {elsewhere:?}");
    }
}
