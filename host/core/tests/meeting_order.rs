//! The order of stages: each after those that it reads, for any flow without a circle; any circle is shown.

mod kinds;

use std::collections::BTreeSet;
use std::fmt::Write;

use flowstone_core::{Plan, Reader};
use kinds::shop::{wire, with};
use proptest::prelude::*;

/// A step that gathers rows of others, and transforms that look up: (of, in) by the names of the collections.
#[derive(Clone, Debug)]
struct Steps {
    gathered: Vec<Vec<usize>>,
    lookups: Vec<(usize, usize)>,
}

const SOURCES: [&str; 2] = ["food", "tools"];

fn name(at: usize) -> String {
    SOURCES
        .get(at)
        .map_or_else(|| format!("step{at}"), ToString::to_string)
}

fn steps() -> impl Strategy<Value = Steps> {
    (1..7_usize).prop_flat_map(|count| {
        let any = 0..count + SOURCES.len();
        let of = prop::collection::btree_set(any.clone(), 1..4);
        let of = of.prop_map(|of| of.into_iter().collect::<Vec<_>>());
        let gathered = prop::collection::vec(of, count);
        let lookups = prop::collection::vec((any.clone(), any), 0..4);
        (gathered, lookups).prop_map(|(gathered, lookups)| Steps { gathered, lookups })
    })
}

/// A step over one collection is a reduce, one over several is a union.
fn flow(steps: &Steps) -> String {
    let mut text = String::new();
    for (at, of) in steps.gathered.iter().enumerate() {
        let step = name(at + SOURCES.len());
        let of: Vec<String> = of.iter().map(|&of| format!("\"{}\"", name(of))).collect();
        if let [over] = &of[..] {
            writeln!(text, "[reduce.{step}]\ncall = \"shop.mean\"\nover = {over}\nby = [\"kind\"]\nwith = {{ prices = [] }}")
        } else {
            writeln!(text, "[union.{step}]\nof = [{}]", of.join(", "))
        }
        .expect("a string takes text");
    }
    for (at, (each, within)) in steps.lookups.iter().enumerate() {
        let (each, within) = (name(*each), name(*within));
        let lookup =
            format!("{{ in = \"{within}\", key = \"kind\", on = \"kind\", take = \"kind\" }}");
        writeln!(text, "[transform.look{at}]\ncall = \"shop.label\"\neach = \"{each}\"\nlookup = {{ name = {lookup} }}")
            .expect("a string takes text");
    }
    with(&text)
}

/// What publishes and what reads, by name.
fn edges(steps: &Steps) -> BTreeSet<(String, String)> {
    let gathered = steps.gathered.iter().enumerate();
    let gathered = gathered.flat_map(|(at, of)| {
        of.iter()
            .map(move |&of| (name(of), name(at + SOURCES.len())))
    });
    let lookups = steps.lookups.iter();
    let lookups = lookups.map(|&(each, within)| (name(within), name(each)));
    gathered.chain(lookups).collect()
}

/// Whether there is a way from something to itself, by trying all.
fn has_circle(edges: &BTreeSet<(String, String)>) -> bool {
    let mut ways = edges.clone();
    loop {
        let longer: Vec<(String, String)> = ways
            .iter()
            .flat_map(|(from, to)| {
                let next = edges.iter().filter(move |(start, _)| start == to);
                next.map(move |(_, end)| (from.clone(), end.clone()))
            })
            .collect();
        let before = ways.len();
        ways.extend(longer);
        if ways.len() == before {
            return ways.iter().any(|(from, to)| from == to);
        }
    }
}

fn check_order(plan: &Plan) {
    for (at, stage) in plan.stages.iter().enumerate() {
        for origin in stage.source.gather.iter().flat_map(|gather| &gather.from) {
            let relation = origin.relation;
            assert!(relation.stage < at);
            let published = &plan.stages[relation.stage].relations[relation.relation];
            assert_eq!(published.reader, Reader::Stage(at));
        }
        for lookup in &stage.lookups {
            assert!(lookup.relation.stage < at);
            let relations = &plan.stages[lookup.relation.stage].relations;
            assert_eq!(relations[lookup.relation.relation].reader, Reader::Lookup);
        }
    }
}

proptest! {
    #[test]
    fn stages_run_after_those_that_they_read_and_a_circle_is_shown(steps in steps()) {
        let edges = edges(&steps);
        match wire(&flow(&steps)) {
            Ok(plan) => {
                prop_assert!(!has_circle(&edges));
                prop_assert_eq!(plan.stages.len(), steps.gathered.len() + 4);
                check_order(&plan);
            }
            Err(errors) => {
                prop_assert!(has_circle(&edges), "{}", errors);
                prop_assert_eq!(errors.0.len(), 1);
                let path = errors.0[0].message.rsplit_once(": ").expect("it shows a path").1;
                let path: Vec<&str> = path.split(" -> ").collect();
                prop_assert_eq!(path.first(), path.last());
                for step in path.windows(2) {
                    prop_assert!(edges.contains(&(step[0].to_owned(), step[1].to_owned())));
                }
            }
        }
    }
}

/// Unions, each of both before it, so that there are 2^depth ways from the last to the sources.
fn pairs_of_unions(depth: usize) -> String {
    let mut text = String::new();
    let (mut left, mut right) = ("food".to_owned(), "tools".to_owned());
    for at in 0..depth {
        for side in ["left", "right"] {
            writeln!(text, "[union.{side}{at}]\nof = [\"{left}\", \"{right}\"]")
                .expect("a string takes text");
        }
        (left, right) = (format!("left{at}"), format!("right{at}"));
    }
    text
}

#[test]
fn unions_of_unions_are_searched_once() {
    let last = |column: &str, name: &str| {
        format!(
            "[transform.{name}]\ncall = \"shop.net\"\neach = \"left79\"\nfrom = {{ price = \"{column}\" }}\n"
        )
    };
    let found = with(&format!("{}{}", pairs_of_unions(80), last("price", "net")));
    let plan = wire(&found).expect("both sources have the column");
    assert_eq!(plan.stages.len(), 164);
    let missing = format!("{}{}", pairs_of_unions(80), last("price.x", "net"));
    let told = wire(&with(&missing)).expect_err("there is no such column");
    assert!(
        told.to_string().contains("no column `price.x` on `left79`"),
        "{told}"
    );
}

#[test]
fn a_chain_of_steps_has_an_end() {
    let last = "[transform.net]\ncall = \"shop.net\"\neach = \"left99\"\n";
    wire(&with(&format!("{}{last}", pairs_of_unions(100)))).expect("a hundred steps are fine");
    let told = wire(&with(&pairs_of_unions(101))).expect_err("one too many");
    let said = "`left100` comes of more than 100 steps, each over rows of the one before";
    assert_eq!(told.to_string(), said);
}
