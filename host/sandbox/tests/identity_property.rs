//! No change that can be observed leaves a digest as it was: programs made by chance, run before and after.

mod common;

use std::collections::BTreeMap;

use common::program::{EXPORTS, Program};
use common::{Dice, limits, sandbox, wasm};
use flowstone_core::{FunctionDigest, Value};
use flowstone_sandbox::{FailureKind, function_digests, scan};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What the exported functions are called with.
const INPUTS: [u32; 6] = [0, 1, 6, 35, 1000, 0xffff_fff0];

/// What each function gave for each input: nothing for a trap. Outcomes that depend on a limit are left out.
type Outcomes = BTreeMap<String, Vec<Result<Option<Value>, FailureKind>>>;

/// Runs all functions. Nothing when the component cannot be loaded.
fn outcomes(component: &[u8]) -> Option<Outcomes> {
    let plugin = sandbox().load(component).ok()?;
    let limits = limits(|limits| limits.time_ms_max = 50);
    let functions = plugin.interface().functions.iter();
    let run = |name: &str, input: u32| {
        let function = plugin.function(name).expect("a function");
        let args: Vec<Value> = function
            .function()
            .params
            .iter()
            .map(|_| Value::U32(input))
            .collect();
        match function.call(&args, &limits, [0; 32]) {
            Ok(output) => Ok(output.value),
            Err(failed) => Err(failed.kind),
        }
    };
    Some(
        functions
            .map(|function| {
                let outcomes = INPUTS.map(|input| run(&function.name, input)).into();
                (function.name.clone(), outcomes)
            })
            .collect(),
    )
}

fn digests(component: &[u8]) -> BTreeMap<String, FunctionDigest> {
    function_digests(component).expect("a component")
}

/// Whether two outcomes differ in what a caller would remember, or one of them in that there is nothing to remember.
fn differ(
    before: &[Result<Option<Value>, FailureKind>],
    after: &[Result<Option<Value>, FailureKind>],
) -> bool {
    let limited = |outcome: &Result<_, FailureKind>| matches!(outcome, Err(kind) if !matches!(kind, FailureKind::Trap));
    before
        .iter()
        .zip(after)
        .any(|(before, after)| !limited(before) && !limited(after) && before != after)
}

#[derive(Default)]
struct Tally {
    pairs: usize,
    observed: usize,
    kept: usize,
}

impl Tally {
    /// Compares two components, function by function.
    fn compare(
        &mut self,
        before: (&BTreeMap<String, FunctionDigest>, &Outcomes),
        after: (&BTreeMap<String, FunctionDigest>, &Outcomes),
    ) -> Result<(), TestCaseError> {
        for (name, outcome) in before.1 {
            let Some(other) = after.1.get(name) else {
                continue;
            };
            let same_digest = before.0[name] == after.0[name];
            let observed = differ(outcome, other);
            prop_assert!(
                !(same_digest && observed),
                "{name}: {outcome:?} became {other:?}"
            );
            self.pairs += 1;
            self.observed += usize::from(observed);
            self.kept += usize::from(same_digest);
        }
        Ok(())
    }
}

/// The same cases in every run.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new_with_rng(
        Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    )
}

#[test]
fn what_can_be_observed_changes_the_digest() {
    let tally = std::cell::RefCell::new(Tally::default());
    let property = |seed: u64| {
        let mut dice = Dice(seed);
        let program = Program::roll(&mut dice);
        let before = wasm(&program.text(&mut Dice(0)));
        let (old, ran) = (digests(&before), outcomes(&before).expect("a plugin"));
        for _ in 0..4 {
            let mut mutated = program.clone();
            mutated.mutate(&mut dice);
            let after = wasm(&mutated.text(&mut Dice(0)));
            let again = outcomes(&after).expect("a plugin");
            tally
                .borrow_mut()
                .compare((&old, &ran), (&digests(&after), &again))?;
        }
        Ok(())
    };
    runner(120)
        .run(&any::<u64>(), property)
        .expect("no change goes unseen");
    let Tally {
        pairs,
        observed,
        kept,
    } = tally.into_inner();
    // Else the test would say nothing: changes must show, and most must leave some functions alone.
    assert!(
        observed * 10 > pairs,
        "{observed} of {pairs} changes were observed"
    );
    assert!(kept * 4 > pairs, "{kept} of {pairs} digests stayed");
}

#[test]
fn the_order_of_definitions_does_not_count() {
    let property = |seed: u64| {
        let mut dice = Dice(seed);
        let program = Program::roll(&mut dice);
        let (one, other) = (program.text(&mut dice), program.text(&mut dice));
        prop_assert_eq!(digests(&wasm(&one)), digests(&wasm(&other)));
        Ok(())
    };
    runner(100)
        .run(&any::<u64>(), property)
        .expect("order does not count");
}

#[test]
fn no_changed_byte_goes_unseen() {
    let tally = std::cell::RefCell::new(Tally::default());
    let property = |seed: u64| {
        let mut dice = Dice(seed);
        let component = wasm(&Program::roll(&mut dice).text(&mut Dice(0)));
        let whole = scan(&component).expect("a component").digest;
        let old = function_digests(&component).expect("a component");
        let ran = outcomes(&component).expect("a plugin");
        prop_assert_eq!(ran.len(), EXPORTS);
        for _ in 0..60 {
            let mut damaged = component.clone();
            let at = dice.below(damaged.len());
            damaged[at] ^= 1 << dice.below(8);
            if scan(&damaged).is_ok_and(|scan| scan.digest == whole) {
                // A name.
                continue;
            }
            let digests = function_digests(&damaged);
            if let Some(again) = outcomes(&damaged) {
                let digests = digests.expect("what can be loaded has digests");
                tally
                    .borrow_mut()
                    .compare((&old, &ran), (&digests, &again))?;
            }
        }
        Ok(())
    };
    runner(40)
        .run(&any::<u64>(), property)
        .expect("no change goes unseen");
    let Tally {
        pairs,
        observed,
        kept,
    } = tally.into_inner();
    assert!(
        observed > 30 && kept > 100,
        "{observed} observed and {kept} kept of {pairs}"
    );
}
