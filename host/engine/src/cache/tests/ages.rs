//! Ages: what is older than something when the records of old runs are gone.

use std::time::Duration;

use super::*;

/// A store with results of the runs 1 to 5, of which 3 and 4 have a record: so many seconds ago.
fn engine_of_runs(seconds: u64) -> (TempDir, Engine) {
    let (folder, engine) = engine();
    let record = &recipes()[0];
    let started = crate::run::now_s() - seconds;
    let write = |writer: &mut Writer<'_>| {
        writer.put_recipe(RecipeId(1), record)?;
        for run in 1..=5 {
            let arguments = vec![print(run), print(0)];
            let memo = MemoRecord {
                outcome: Outcome::Nothing,
                cost_ns: 1,
                run: RunId(run.into()),
                recipe: RecipeId(1),
                arguments: arguments.clone(),
                why: Why::New,
            };
            writer.put_memo(&record.recipe.key().key(arguments), &memo)?;
        }
        writer.put_run(RunId(3), &format!("{{\"started\":{started}}}"))?;
        writer.put_run(RunId(4), &format!("{{\"started\":{}}}", started + 1000))
    };
    engine.store.write(write).expect("the store takes them");
    (folder, engine)
}

fn listed(engine: &Engine, older_than: u64) -> Vec<u64> {
    let mut filter = CacheFilter::default();
    filter.older_than = Some(Duration::from_secs(older_than));
    let mut runs = Vec::new();
    let visit = &mut |entry: CacheEntry| {
        assert_eq!(entry.age_seconds.is_some(), (3..=4).contains(&entry.run.0));
        runs.push(entry.run.0);
        ControlFlow::Continue(())
    };
    let listing = engine.cache_list(&filter, CacheSort::Age, None, &NEVER, visit);
    listing.expect("it can be listed");
    runs
}

#[test]
fn a_run_whose_record_is_gone_is_older_than_the_oldest_record() {
    let (_folder, engine) = engine_of_runs(10_000);
    let mut oldest = listed(&engine, 9500);
    oldest[..2].sort_unstable();
    assert_eq!(oldest, [1, 2, 3], "the oldest first");
    assert_eq!(listed(&engine, 8000).len(), 4, "of run 5 nothing is known");
    assert!(listed(&engine, 20_000).is_empty());
    let mut filter = CacheFilter::default();
    filter.older_than = Some(Duration::from_secs(9500));
    let removed = engine.cache_remove(&filter, false, &NEVER);
    assert_eq!(removed.expect("it can be removed").entries, 3);
}
