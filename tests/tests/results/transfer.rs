//! Taking results to other stores and other flows.

use std::io::Cursor;
use std::time::Duration;

use flowstone::core::StoreSettings;
use flowstone::{
    CacheFilter, ExportOptions, ExportReport, FlowPlace, GcOptions, ImportReport, Why,
};
use flowstone_tests::{Guest, Project};

use crate::{NEVER, NOTHING, by_component, entries, get, open, project, with};

fn export(project: &Project, filter: &CacheFilter) -> (Vec<u8>, ExportReport) {
    let (engine, _flow) = open(project);
    let mut archive = Vec::new();
    let options = ExportOptions { builds: true };
    let report = engine.cache_export(filter, options, &mut archive, &NEVER);
    (archive, report.expect("it can be exported"))
}

fn import(project: &Project, archive: &[u8]) -> ImportReport {
    let (engine, _flow) = open(project);
    let report = engine.cache_import(&mut Cursor::new(archive), false, &NEVER);
    report.expect("it is sound")
}

fn place(project: &Project) -> FlowPlace {
    FlowPlace {
        base: project.path(""),
        file: "flow.toml".to_owned(),
    }
}

#[test]
fn another_store_calls_nothing_for_what_it_imports() {
    let here = project();
    here.run();
    let (archive, exported) = export(&here, &CacheFilter::default());
    assert_eq!(
        (exported.results, exported.recipes, exported.builds),
        (5, 2, 1)
    );
    let there = project();
    let report = import(&there, &archive);
    assert_eq!((report.imported, report.present, report.builds), (5, 0, 1));
    let outcome = there.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(there.rows(), here.rows());
    assert_eq!(there.rows().len(), 3);
    assert_eq!(import(&there, &archive).present, 5);
    let found = get(&there, "weight", "a.md#0").expect("it is remembered");
    assert_eq!(found.why, Why::Imported);
}

#[test]
fn what_is_imported_is_as_old_as_the_import() {
    let here = project();
    here.run();
    let (archive, _) = export(&here, &CacheFilter::default());
    let there = project();
    import(&there, &archive);
    // With nothing new it is no event.
    import(&there, &archive);
    let (mut engine, flow) = open(&there);
    let runs: Vec<_> = engine.runs(None).expect("it can be read").collect();
    assert_eq!(runs.len(), 1);
    let record = runs[0].as_ref().expect("it can be read");
    assert_eq!(
        (record.run.0, &*record.flow, record.interrupted),
        (1, "(import)", false)
    );
    assert!(record.started > 0);
    let of_flow = engine.runs(Some(("lines", &place(&there))));
    assert_eq!(of_flow.expect("it can be read").count(), 0);
    for (keep, keep_runs) in [(None, Some(0)), (Some(Duration::ZERO), Some(1))] {
        let options = GcOptions {
            settings: StoreSettings {
                bytes_max: None,
                keep,
                keep_runs,
            },
            ..GcOptions::default()
        };
        let collection = engine.gc(Some(&flow), &options, &NEVER, &mut |_| {});
        assert_eq!(collection.expect("it can be collected").report.removed, 0);
    }
    drop(engine);
    let ages = entries(&there, &CacheFilter::default());
    assert!(
        ages.iter().all(|entry| entry.age_seconds.is_some()),
        "{ages:?}"
    );
    assert_eq!(there.run().calls, NOTHING);
}

#[test]
fn results_move_to_a_flow_with_other_names() {
    let here = project();
    here.run();
    let (archive, _) = export(&here, &CacheFilter::default());
    let mut there = project();
    there.flow = there
        .flow
        .replace("name = \"lines\"", "name = \"paragraphs\"")
        .replace("sample.", "guest.")
        .replace("plugin.sample", "plugin.guest")
        .replace("guest.wasm", "sample.wasm")
        .replace("source.page", "source.file")
        .replace("each = \"page\"", "each = \"file\"")
        .replace("page.path", "file.path")
        .replace("[transform.line]", "[transform.paragraph]")
        .replace(
            "each = \"line\"",
            "each = \"paragraph\"\nfrom = { line = \"paragraph\" }",
        )
        .replace("rows = \"line\"", "rows = \"paragraph\"")
        .replace("line = \"line\", weight", "line = \"paragraph\", weight");
    import(&there, &archive);
    assert_eq!(there.run().calls, NOTHING);
    assert_eq!(there.rows(), here.rows());
}

#[test]
fn only_what_rows_use_is_exported_where_that_is_asked_for() {
    let mut project = by_component();
    project.run();
    project.guest = Guest {
        weight: 1,
        detour: 0,
    };
    project.run();
    let mut in_use = CacheFilter::default();
    in_use.in_use = true;
    assert_eq!(export(&project, &in_use).1.results, 5);
    assert_eq!(export(&project, &CacheFilter::default()).1.results, 10);
}

#[test]
fn pinned_results_are_found_by_their_pin_elsewhere() {
    let mut here = project();
    with(&mut here, "weigh", "cache = { pin = \"weigh-1\" }");
    here.run();
    let mut pinned = CacheFilter::default();
    pinned.pin = Some("weigh-1".to_owned());
    let (archive, exported) = export(&here, &pinned);
    assert_eq!(exported.results, 3);
    let mut there = project();
    with(&mut there, "weigh", "cache = { pin = \"weigh-1\" }");
    there.guest = Guest {
        weight: 0,
        detour: 3,
    };
    import(&there, &archive);
    assert_eq!(there.run().calls, ["line a.md", "line b.md"]);
    assert_eq!(there.rows(), here.rows());
}

#[test]
fn impure_results_stay_where_they_were_made() {
    let mut here = project();
    let settings = "grants = { clock = true }\ncache = { max-age = \"1d\" }";
    with(&mut here, "weigh", settings);
    here.run();
    let (archive, exported) = export(&here, &CacheFilter::default());
    assert_eq!((exported.results, exported.impure), (2, 3));
    let mut there = project();
    with(&mut there, "weigh", settings);
    assert_eq!(import(&there, &archive).imported, 2);
    assert_eq!(
        there.run().calls,
        ["weight a.md", "weight a.md", "weight b.md"]
    );
}
