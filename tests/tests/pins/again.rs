//! Calling again: stored results beside what the code that made them gives.

use flowstone::{Error, Event, PinError};
use flowstone_store::{Outcome, Store, StoreOptions, Stored, Why};
use flowstone_tests::Project;

use crate::{NEVER, options, pin, pinned_lines, project, verify, verify_pin};

#[test]
fn verify_makes_calls_again_with_the_code_that_made_them() {
    let mut project = pinned_lines();
    // Half of the results are of other code, whose build is kept.
    project.guest.weight = 1000;
    for file in 10..15 {
        let lines = (0..10).map(|line| format!("line {line} of {file}\n"));
        project.write(&format!("{file}.md"), lines.collect::<String>());
    }
    project.run();
    let report = verify(&project, &[], &options(None));
    let names: Vec<_> = report
        .transforms
        .iter()
        .map(|transform| &*transform.name)
        .collect();
    assert_eq!(names, ["line", "weight"]);
    assert_eq!(
        (report.transforms[0].stored, report.transforms[0].equal),
        (15, 15)
    );
    let weight = &report.transforms[1];
    assert_eq!(
        (weight.stored, weight.equal, weight.different),
        (150, 150, 0)
    );
    assert!(weight.complete && weight.without_code.is_empty());
    // Without the build they cannot be checked, and that is said.
    std::fs::remove_dir_all(project.path(".flowstone/builds")).expect("builds are kept");
    let report = verify(&project, &["weight"], &options(None));
    let weight = &report.transforms[0];
    assert_eq!((weight.stored, weight.equal), (50, 50));
    assert_eq!(weight.without_code.len(), 1);
    assert_eq!(weight.without_code[0].results, 100);
    assert_eq!(weight.without_code[0].reason, "it was not kept");
}

/// Changes what the store has of the calls of the transform `weight`.
fn edit(project: &Project, mut change: impl FnMut(&mut flowstone_store::MemoRecord)) {
    let store =
        Store::open(&project.path(".flowstone"), StoreOptions::default()).expect("the store opens");
    let snapshot = store.snapshot().expect("it can be read");
    let recipes = snapshot.recipes().expect("it can be read");
    let of_weight = |id| {
        let (_, record) = recipes
            .iter()
            .find(|(known, _)| *known == id)
            .expect("a recipe");
        record.maker.function == "weigh"
    };
    let entries: Vec<_> = snapshot
        .memo_entries()
        .expect("it can be read")
        .collect::<Result<_, _>>()
        .expect("it can be read");
    store
        .write(|writer| {
            for (key, mut record) in entries {
                if of_weight(record.recipe) {
                    change(&mut record);
                    writer.put_memo(&key, &record)?;
                }
            }
            Ok::<_, flowstone_store::StoreError>(())
        })
        .expect("it can be written to");
}

#[test]
fn a_stored_result_that_its_code_does_not_give_is_found() {
    let project = project();
    project.run();
    let mut planted = false;
    edit(&project, |record| {
        let other = flowstone::core::fingerprint(
            &flowstone::core::Value::U32(9),
            &flowstone::core::Type::U32,
            &flowstone::core::Type::U32.fingerprint(),
        );
        if !std::mem::replace(&mut planted, true) {
            record.outcome = Outcome::Value {
                fingerprint: other,
                parts: Vec::new(),
                stored: Stored::Inline(9u32.to_le_bytes().to_vec()),
            };
        }
    });
    let report = verify(&project, &[], &options(Some(50)));
    let weight = &report.transforms[1];
    assert_eq!((weight.equal, weight.different), (4, 1));
    assert_eq!(weight.differences[0].stored, "9");
    assert!(report.transforms[0].is_sound());
}

#[test]
fn results_put_by_hand_are_not_compared() {
    let mut project = project();
    pin(&mut project, "weight-1");
    project.run();
    let mut first = true;
    edit(&project, |record| {
        if std::mem::replace(&mut first, false) {
            record.why = Why::Put;
        }
    });
    for report in [
        verify(&project, &["weight"], &options(None)),
        verify_pin(&project, &options(None)),
    ] {
        let weight = &report.transforms[0];
        assert_eq!((weight.put, weight.stored, weight.equal), (1, 4, 4));
    }
}

#[test]
fn a_transform_with_grants_is_left_out_and_its_pin_is_not_compared() {
    let mut project = project();
    let granted = "[transform.weight]\ngrants = { random = true }\ncache = { pin = \"weight-1\", max-age = \"1d\" }\n";
    project.flow = project.flow.replace("[transform.weight]\n", granted);
    project.run();
    let report = verify(&project, &[], &options(None));
    let weight = &report.transforms[1];
    let why = weight.left_out.as_deref().expect("it is left out");
    assert_eq!(
        why,
        "it is granted random, so its results hang on more than its arguments"
    );
    assert_eq!(report.transforms[0].equal, 3);
    let (engine, flow) = project.open().expect("the flow opens");
    let outcome = engine.verify_pin(&flow, "weight", &options(None), &NEVER, &|_: &Event<'_>| {});
    assert!(
        matches!(outcome, Err(Error::Pin(PinError::NotComparable { .. }))),
        "{outcome:?}"
    );
}
