//! The pictures of each view, made once for all who follow it.
//!
//! Invariant: pictures of a view are numbered without a gap; each is known whole, and by what changed since the one before,
//! so that all who follow a view have the same picture, whenever they came.
//!
//! Why not one for each viewer: ranking 400 stores and comparing two pictures takes a millisecond, which 2,000 viewers
//! would want every second. Made once, a picture costs each of them the writing of a few kB.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::delta::Step;
use super::refresh::Reading;
use super::snapshot::Snapshot;
use super::stream::picture;
use super::view::View;

/// The newest picture of a view.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// 0: there is none yet.
    pub number: u64,
    pub revision: String,
    pub whole: Arc<str>,
    /// Absent where there is no picture before it, or where that is of another day.
    pub delta: Option<Arc<str>>,
}

/// All views that somebody follows.
#[derive(Debug, Default)]
pub struct Pictures {
    followed: Mutex<Vec<(View, watch::Sender<Told>)>>,
}

impl Pictures {
    /// Follows a view, of which these are the readings, until the receiver is dropped.
    #[must_use]
    pub fn follow(self: &Arc<Self>, view: View, readings: watch::Receiver<Reading<Snapshot>>) -> watch::Receiver<Told> {
        let mut followed = self.followed();
        if let Some((_, told)) = followed.iter().find(|(other, _)| *other == view) {
            return told.subscribe();
        }
        let (sender, receiver) = watch::channel(Told::default());
        followed.push((view.clone(), sender.clone()));
        tokio::spawn(Arc::clone(self).tell(view, readings, sender));
        receiver
    }

    fn followed(&self) -> MutexGuard<'_, Vec<(View, watch::Sender<Told>)>> {
        // A panic while it was locked leaves a list that is still whole: every change is one call.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the pictures of a view until nobody follows it, or it is read no more.
    async fn tell(
        self: Arc<Self>,
        view: View,
        mut readings: watch::Receiver<Reading<Snapshot>>,
        sender: watch::Sender<Told>,
    ) {
        let mut before = None;
        loop {
            let known = readings.borrow_and_update().aged();
            if let Some((snapshot, age)) = known {
                let now = picture(&snapshot, &view, age);
                let (message, picture) = next(sender.borrow().number, before.as_ref(), now);
                sender.send_replace(message);
                before = Some(picture);
            }
            let goes_on = tokio::select! {
                changed = readings.changed() => changed.is_ok(),
                () = sender.closed() => false,
            };
            let mut followed = self.followed();
            // Whoever came since the last one left is told as well.
            if !goes_on && (sender.receiver_count() == 0 || readings.has_changed().is_err()) {
                followed.retain(|(other, _)| *other != view);
                return;
            }
        }
    }
}

/// What is told after the picture `before`, and the picture that everybody has then.
fn next(number: u64, before: Option<&Map<String, Value>>, now: Map<String, Value>) -> (Told, Map<String, Value>) {
    let of_the_day = before.filter(|before| before.get("business_date") == now.get("business_date"));
    let text = |picture: &Map<String, Value>| serde_json::json!(picture).to_string().into();
    let step = of_the_day.map(|before| Step::new(before, &now, number));
    let (delta, picture) = step.map_or((None, now), |step| (Some(text(&step.delta)), step.told));
    let revision = picture.get("revision").map(Value::to_string).unwrap_or_default();
    (Told { number: number + 1, revision, whole: text(&picture), delta }, picture)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::board::fixture;

    fn reading(revision: i64) -> Reading<Snapshot> {
        Reading::now(Snapshot { revision, ..fixture::snapshot() })
    }

    #[tokio::test]
    async fn viewers_of_one_view_share_its_pictures_and_those_of_another_do_not() {
        let pictures = Arc::new(Pictures::default());
        let (sender, readings) = watch::channel(reading(1));
        let mut one = pictures.follow(fixture::view(&[]), readings.clone());
        one.wait_for(|told| told.number == 1).await.unwrap();
        let mut other = pictures.follow(fixture::view(&[]), readings.clone());
        let english = pictures.follow(fixture::view(&[("lang", "en")]), readings.clone());
        sender.send_replace(reading(2));
        let (one, other) = (
            one.wait_for(|told| told.number == 2).await.unwrap(),
            other.wait_for(|told| told.number == 2).await.unwrap(),
        );
        assert!(Arc::ptr_eq(&one.whole, &other.whole));
        assert!(one.delta.is_some() && !Arc::ptr_eq(&one.whole, &english.borrow().whole));
        assert_eq!(pictures.followed().len(), 2);
    }

    #[tokio::test]
    async fn a_view_that_nobody_follows_any_more_is_read_no_more() {
        let pictures = Arc::new(Pictures::default());
        let (sender, readings) = watch::channel(reading(1));
        let mut told = pictures.follow(fixture::view(&[]), readings);
        told.wait_for(|told| told.number == 1).await.unwrap();
        drop(told);
        tokio::time::timeout(Duration::from_secs(10), sender.closed()).await.unwrap();
        assert_eq!(pictures.followed().len(), 0);
    }

    #[test]
    fn the_first_picture_of_a_day_has_no_delta() {
        let mut first = picture(&fixture::snapshot(), &fixture::view(&[]), Duration::ZERO);
        assert!(next(0, None, first.clone()).0.delta.is_none());
        let before = first.clone();
        assert!(next(1, Some(&before), first.clone()).0.delta.is_some());
        first.insert("business_date".to_owned(), serde_json::json!("2026-11-23"));
        assert!(next(2, Some(&before), first).0.delta.is_none());
    }
}
