use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use object_store::ObjectStoreExt;

use super::*;
use crate::clock::{FixedClock, SystemClock};
use crate::release::ReleaseId;
use crate::release::tests::{lake, release};
use crate::store::faults::{FaultyStore, Rule};

fn clock(at: &str) -> Arc<dyn Clock> {
    Arc::new(FixedClock::new(at.parse::<DateTime<Utc>>().unwrap()))
}

/// A run elsewhere: nothing is known of its process.
fn elsewhere(run_id: &str) -> Holder {
    Holder { host: "elsewhere".to_owned(), ..Holder::this_process(run_id, "run") }
}

const EARLY: &str = "2026-02-01T03:00:00Z";
const LATER: &str = "2026-02-01T03:01:00Z";

#[tokio::test]
async fn a_second_run_is_told_who_holds_the_lake() {
    let lake = lake();
    let first = Lease::acquire(&lake, elsewhere("first"), clock(EARLY)).await.unwrap();
    let error = Lease::acquire(&lake, elsewhere("second"), clock(EARLY)).await.unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Locked);
    assert!(error.to_string().contains("`buho run` first"), "{error}");
    first.give_back(false).await;
    let second = Lease::acquire(&lake, elsewhere("second"), clock(EARLY)).await.unwrap();
    assert!(!second.must_fence());
}

#[tokio::test]
async fn a_lease_that_expired_is_taken_over_with_a_higher_token_and_a_fence() {
    let lake = lake();
    let first = Lease::acquire(&lake, elsewhere("first"), clock(EARLY)).await.unwrap();
    let second = Lease::acquire(&lake, elsewhere("second"), clock(LATER)).await.unwrap();
    assert!(second.must_fence());
    assert!(second.token() > first.token());
}

#[tokio::test]
async fn the_lease_of_a_process_that_ended_here_is_taken_over_at_once() {
    let lake = lake();
    let mut gone = Holder::this_process("first", "run");
    gone.started = gone.started.map(|ticks| ticks - 1);
    let _first = Lease::acquire(&lake, gone, clock(EARLY)).await.unwrap();
    let second = Lease::acquire(&lake, Holder::this_process("second", "run"), clock(EARLY)).await.unwrap();
    assert!(second.must_fence());
}

#[tokio::test]
async fn a_stale_holder_cannot_publish_whatever_its_clock_says() {
    let lake = lake();
    let stale = Lease::acquire(&lake, elsewhere("stale"), clock(LATER)).await.unwrap();
    let second = Lease::acquire(&lake, elsewhere("second"), clock("2026-02-01T09:00:00Z")).await.unwrap();
    let error = stale.publish(&lake, release("2026-01-31", "stale")).await.unwrap_err();
    assert!(matches!(error, LeaseError::Lost { .. }), "{error}");
    assert!(release::list(&lake).await.unwrap().is_empty());
    second.publish(&lake, release("2026-01-31", "second")).await.unwrap();
    assert_eq!(release::latest(&lake).await.unwrap().unwrap().run_id, "second");
}

#[tokio::test]
async fn work_is_dropped_once_the_lease_is_lost() {
    let lake = lake();
    let stale = Lease::acquire(&lake, elsewhere("stale"), clock(EARLY)).await.unwrap();
    let _second = Lease::acquire(&lake, elsewhere("second"), clock(LATER)).await.unwrap();
    let _told = stale.keeper.append(Step::Renew).await.unwrap_err();
    let endless = std::future::pending::<Result<(), LeaseError>>();
    let error = stale.keep(endless).await.unwrap_err();
    assert!(matches!(error, LeaseError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn a_holder_renews_by_itself() {
    let lake = lake();
    let every = Duration::from_millis(5);
    let first = Lease::acquire_renewing(&lake, elsewhere("first"), clock(EARLY), every).await.unwrap();
    let renewed = async {
        loop {
            let last = last_link(&lake).await.unwrap().unwrap();
            if last.position >= 4 {
                return last;
            }
            tokio::task::yield_now().await;
        }
    };
    let last = tokio::time::timeout(EXPIRY, renewed).await.unwrap();
    assert_eq!((last.token, &last.step), (first.token(), &Step::Renew));
}

#[tokio::test]
async fn a_release_whose_writer_died_after_its_link_is_completed_by_the_next_holder() {
    let lake = lake();
    let first = Lease::acquire(&lake, elsewhere("first"), clock(EARLY)).await.unwrap();
    let written = Release { sequence: 1, ..release("2026-01-31", "first") };
    first.keeper.append(Step::Publish { release: Box::new(written) }).await.unwrap();
    first.keeper.append(Step::Renew).await.unwrap();
    drop(first);
    assert!(release::list(&lake).await.unwrap().is_empty());
    let _second = Lease::acquire(&lake, elsewhere("second"), clock(LATER)).await.unwrap();
    let id: ReleaseId = "2026-01-31.1".parse().unwrap();
    assert_eq!(release::read(&lake, id).await.unwrap().run_id, "first");
}

#[tokio::test]
async fn of_many_that_try_at_once_one_gets_the_lake() {
    let lake = lake();
    let tries = (0..32).map(|number| {
        let lake = lake.clone();
        tokio::spawn(async move { Lease::acquire(&lake, elsewhere(&format!("run-{number}")), clock(EARLY)).await })
    });
    let mut held = Vec::new();
    for tried in tries.collect::<Vec<_>>() {
        held.extend(tried.await.unwrap().ok());
    }
    assert_eq!(held.len(), 1);
}

#[tokio::test]
async fn a_person_can_take_the_lease_from_a_holder_that_hangs() {
    let lake = lake();
    let hanging = Lease::acquire(&lake, elsewhere("hanging"), clock(EARLY)).await.unwrap();
    let seen = last_link(&lake).await.unwrap().unwrap();
    break_lease(&lake, &seen, elsewhere("person"), clock(EARLY).as_ref()).await.unwrap();
    let next = Lease::acquire(&lake, elsewhere("next"), clock(EARLY)).await.unwrap();
    assert!(next.must_fence());
    assert!(hanging.publish(&lake, release("2026-01-31", "hanging")).await.is_err());
}

#[tokio::test]
async fn a_clock_that_jumped_back_does_not_lock_everybody_out() {
    let lake = lake();
    let _ahead = Lease::acquire(&lake, elsewhere("ahead"), clock("2031-01-01T00:00:00Z")).await.unwrap();
    assert!(Lease::acquire(&lake, elsewhere("next"), clock(EARLY)).await.is_ok());
}

/// The machine's clock, set wrong.
#[derive(Debug)]
struct Wrong(TimeDelta);

impl Clock for Wrong {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }

    fn wait(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

#[tokio::test]
async fn a_living_holder_keeps_the_lake_whatever_another_clock_says() {
    let (often, seldom) = (Duration::from_millis(20), Duration::from_millis(200));
    for hours in [-5, 5] {
        let lake = lake();
        let living = Lease::acquire_renewing(&lake, elsewhere("living"), Arc::new(SystemClock), often).await.unwrap();
        let wrong = Arc::new(Wrong(TimeDelta::hours(hours)));
        let error = Lease::acquire_renewing(&lake, elsewhere("other"), wrong, seldom).await.unwrap_err();
        assert!(matches!(&error, LeaseError::Held { holder, .. } if holder.contains("living")), "{error}");
        living.publish(&lake, release("2026-01-31", "living")).await.unwrap();
    }
}

#[tokio::test]
async fn a_holder_whose_clock_jumps_keeps_the_lake() {
    let lake = lake();
    let (often, seldom) = (Duration::from_millis(20), Duration::from_millis(200));
    for hours in [-5, 5] {
        let jumped = Arc::new(Wrong(TimeDelta::hours(hours)));
        let living = Lease::acquire_renewing(&lake, elsewhere("living"), jumped, often).await.unwrap();
        let right = Arc::new(SystemClock);
        let error = Lease::acquire_renewing(&lake, elsewhere("other"), right, seldom).await.unwrap_err();
        assert!(matches!(&error, LeaseError::Held { holder, .. } if holder.contains("living")), "{error}");
        living.give_back(false).await;
    }
}

#[tokio::test]
async fn a_tenure_that_was_cut_short_is_fenced_by_the_next_holder() {
    let lake = lake();
    let first = Lease::acquire(&lake, elsewhere("first"), clock(EARLY)).await.unwrap();
    first.give_back(true).await;
    let second = Lease::acquire(&lake, elsewhere("second"), clock(EARLY)).await.unwrap();
    assert!(second.must_fence());
}

#[tokio::test]
async fn a_chain_that_no_listing_shows_is_followed_and_not_begun_anew() {
    // Earlier versions forgot the first link with the others.
    for has_first in [true, false] {
        let lake = lake();
        let mut token = 0;
        for run in ["first", "second", "third", "fourth"] {
            let lease = Lease::acquire(&lake, elsewhere(run), clock(EARLY)).await.unwrap();
            token = lease.token();
            lease.publish(&lake, release("2026-01-31", run)).await.unwrap();
            lease.give_back(false).await;
        }
        let mut chain = Chain::new(&lake);
        chain.kept = 4;
        let first = lake.path("_buho/lease/00000000000000000001.json");
        if !has_first {
            lake.store().delete(&first).await.unwrap();
        }
        let last = last_link(&lake).await.unwrap().unwrap();
        chain.forget_before(&last).await;
        assert!(chain.read(2).await.unwrap().is_none() && chain.read(last.position - 4).await.unwrap().is_some());
        assert!(lake.store().head(&first).await.is_ok(), "{has_first}");
        for hidden in ["_buho/lease/", "_buho/lease/0000000000000000001"] {
            let behind = lake.over(Arc::new(FaultyStore::new(Arc::clone(lake.store()), Rule::Unlisted(hidden))));
            let next = Lease::acquire(&behind, elsewhere("next"), clock(EARLY)).await.unwrap();
            assert!(next.token() > token, "{has_first}, {hidden}: {}", next.token());
            assert_eq!(next.releases().await.len(), 4, "{has_first}, {hidden}");
            next.give_back(false).await;
        }
    }
}

#[tokio::test]
async fn a_chain_of_which_the_first_link_alone_is_left_is_not_gone_on_with_in_its_gap() {
    let lake = lake();
    for run in ["first", "second", "third"] {
        Lease::acquire(&lake, elsewhere(run), clock(EARLY)).await.unwrap().give_back(false).await;
    }
    let last = last_link(&lake).await.unwrap().unwrap();
    let mut chain = Chain::new(&lake);
    chain.kept = 2;
    chain.forget_before(&last).await;
    for position in 2..=last.position {
        let link = lake.path(&format!("_buho/lease/{position:020}.json"));
        lake.store().delete(&link).await.unwrap_or_default();
    }
    let error = Lease::acquire(&lake, elsewhere("next"), clock(EARLY)).await.unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Retry, "{error}");
}
