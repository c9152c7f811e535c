//! What the store keeps of granted files: a digest that is wrong costs one run, and nothing stays that is of no use.

use std::time::Duration;

use flowstone_store::{Store, StoreOptions};

use crate::{put, said};

fn store(project: &flowstone_tests::Project) -> Store {
    let store = Store::open(&project.path(".flowstone"), StoreOptions::default());
    store.expect("it is a store")
}

/// The entries of the trees of all flow files.
fn kept(store: &Store) -> Vec<(String, Vec<u8>)> {
    let kept = store.snapshot().and_then(|now| now.meta_prefix("granted"));
    kept.expect("it can be read")
}

#[test]
fn nothing_is_kept_of_a_flow_that_grants_nothing_any_more() {
    let grants = "grants = { read = [\"words.txt\"] }";
    let mut project = crate::project(grants);
    put(&project, "words.txt", "the");
    crate::probe(&project, &["env"]);
    assert_eq!(kept(&store(&project)).len(), 2);
    project.flow = project.flow.replace(grants, "");
    project.run();
    assert_eq!(kept(&store(&project)), []);
}

#[test]
fn a_wrong_digest_is_not_trusted_twice() {
    let project = crate::project("grants = { read = [\"words.txt\"] }");
    put(&project, "words.txt", "the");
    // Files that were just written are read in any case.
    std::thread::sleep(Duration::from_millis(100));
    crate::probe(&project, &["read words.txt"]);
    let shown = |content: &[u8]| {
        let digest = serde_json::to_string(blake3::hash(content).as_bytes());
        digest.expect("it can be written")
    };
    let (right, wrong) = (shown(b"the"), shown(b"THE"));
    {
        let store = store(&project);
        let [_, (name, bytes)] = &kept(&store)[..] else {
            panic!("the tree is kept");
        };
        let text = String::from_utf8(bytes.clone()).expect("it is text");
        assert!(text.contains(&right) && !text.contains("null"), "{text}");
        let text = text.replace(&right, &wrong);
        let put = store.write(|writer| writer.put_meta(name, text.as_bytes()));
        put.expect("it can be written");
    }
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0);
    assert_eq!(said(&project)["read words.txt"], "the");
}
