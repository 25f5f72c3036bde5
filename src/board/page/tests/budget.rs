//! Tests of how large a page may be: 14 kB packed and 1,500 elements (board, section 6).

use super::*;

/// Elements of a page, and its bytes as they pass the network.
async fn weight(html: String) -> (usize, usize) {
    use tower_service::Service as _;

    let nodes = html.split('<').filter(|tag| tag.starts_with(|first: char| first.is_ascii_alphabetic())).count();
    let page = axum::Router::new().route("/", axum::routing::get(|| async { axum::response::Html(html) }));
    let mut page = page.layer(tower_http::compression::CompressionLayer::new());
    let request = axum::extract::Request::get("/").header("accept-encoding", "gzip");
    let answer = page.call(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    (nodes, axum::body::to_bytes(answer.into_body(), 1_000_000).await.unwrap().len())
}

#[tokio::test]
async fn the_day_of_fifty_stores_stays_within_its_bytes_and_nodes_and_leads_to_all_of_them() {
    let mut snapshot = fixture::snapshot();
    let counters = snapshot.counts.children[0].1;
    snapshot.counts.children = (0..50).map(|n| (format!("store-{n:04}"), counters)).collect();
    let html = page(&fixture::view(&[("lang", "en")]), &snapshot.with_derived(), Duration::ZERO, None);
    assert_eq!(html.matches("<li data-id=\"store-").count(), 20);
    assert!(html.contains("53 in all.") && html.contains("view=rank"), "{html}");
    let (nodes, bytes) = weight(html).await;
    assert!(nodes <= 1_500 && bytes <= 14_000, "{nodes} nodes, {bytes} bytes");
}

#[tokio::test]
async fn the_page_of_two_hundred_adds_stays_within_its_bytes_and_nodes_and_leads_to_each_of_them() {
    let mut snapshot = fixture::snapshot_of_person();
    let mut person = (**snapshot.details.person.as_ref().unwrap()).clone();
    let first = person.adds[0].clone();
    person.adds = (0..200)
        .map(|n: u32| crate::board::details::person::Added {
            at: first.at + i64::from(n) * 150_000,
            record: (first.record.0.clone(), 3, 41 + u64::from(n)),
            ..first.clone()
        })
        .collect();
    person.day_before = person.adds.iter().map(|add| add.at - 86_400_000).collect();
    snapshot.details.person = Some(std::sync::Arc::new(person));
    let of = |from: &str| {
        let parameters = [("lang", "en"), ("scope", "staff:z1"), ("level", "staff"), ("from", from)];
        page(&View { page: Page::Me, ..fixture::view(&parameters) }, &snapshot, Duration::ZERO, None)
    };
    let receipts = |html: &str| {
        let receipts = html.split("yinliu.friend.v1/3/").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
        receipts.collect::<Vec<_>>()
    };
    let pages = ["0", "50", "100", "150"].map(of);
    let shown: Vec<_> = pages.iter().flat_map(|html| receipts(html)).collect();
    assert_eq!(shown, (41..241).rev().map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(pages[0].contains("from=50") && !pages[0].contains("Back to the newest"));
    assert!(!pages[3].contains("from=200") && pages[3].contains("Back to the newest"));
    for html in pages {
        let (nodes, bytes) = weight(html).await;
        assert!(nodes <= 1_500 && bytes <= 14_000, "{nodes} nodes, {bytes} bytes");
    }
}
