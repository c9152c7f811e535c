//! Arguments as they are typed.

use super::*;
use clap::CommandFactory;

#[test]
fn the_arguments_make_sense_to_clap() {
    TypedArgs::command().debug_assert();
}

#[test]
fn lineage_takes_the_flow_before_the_names_or_as_an_option() {
    let names = |line: &[&str]| match TypedArgs::try_parse_from(line)
        .expect("these arguments are right")
        .verb
    {
        Verb::Lineage(args) => (args.names, args.down, args.flow),
        other => panic!("{other:?}"),
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (given, down, flow) = names(&["flowstone", "lineage", "index", "a.md"]);
    assert_eq!(
        (given, down, flow),
        (words(&["index", "a.md"]), false, None)
    );
    let (given, down, _) = names(&["flowstone", "lineage", "x.toml", "--down", "page", "a.md"]);
    assert_eq!((given, down), (words(&["x.toml", "page", "a.md"]), true));
    let (given, ..) = names(&["flowstone", "lineage", "--down", "page", "a.md"]);
    assert_eq!(given, words(&["page", "a.md"]));
    assert!(TypedArgs::try_parse_from(["flowstone", "lineage"]).is_err());
}

#[test]
fn sizes_times_and_variables_are_checked_as_they_are_typed() {
    assert_eq!(memory("64MiB"), Ok(64 << 20));
    assert!(memory("12").is_err());
    assert!(memory("lots").is_err());
    assert_eq!(time_ms("2s"), Ok(2000));
    assert!(time_ms("0s").is_err());
    assert_eq!(variable("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
    assert_eq!(variable("a="), Ok(("a".to_owned(), String::new())));
    assert!(variable("=b").is_err() && variable("a").is_err());
}
