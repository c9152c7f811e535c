//! Archives that are damaged, or were made to do harm.

use flowstone_store::RecipeId;

use super::*;

fn small() -> Vec<u8> {
    let (_folder, engine) = engine();
    remember(
        &engine,
        &[
            (0, 1, Came::Value(5)),
            (1, 2, Came::Nothing),
            (1, 3, Came::Value(8)),
            (2, 4, Came::Failed),
        ],
    );
    export(&engine).0
}

#[test]
fn imported_results_say_what_they_are() {
    let ((_from, from), (_to, to)) = (engine(), engine());
    remember(&from, &[(0, 1, Came::Value(5)), (3, 2, Came::Value(8))]);
    let (archive, exported) = export(&from);
    assert_eq!(
        (exported.results, exported.recipes, exported.impure),
        (1, 1, 1)
    );
    import(&to, &archive, false).expect("it is sound");
    let snapshot = to.store.snapshot().expect("it can be read");
    let mut entries = snapshot.memo_entries().expect("it can be read");
    let (_, record) = entries
        .next()
        .expect("there is one")
        .expect("it can be read");
    assert_eq!((record.why, record.run), (Why::Imported, RunId(1)));
    assert_eq!((record.recipe, record.cost_ns), (RecipeId(1), 1000));
    assert!(entries.next().is_none());
}

#[test]
fn an_archive_that_is_cut_off_is_refused_whole() {
    let archive = small();
    let (_folder, engine) = engine();
    for len in 0..archive.len() {
        let error = import(&engine, &archive[..len], false).expect_err("it is cut off");
        assert!(matches!(error, Error::Archive(_)), "{len}: {error}");
    }
    let mut longer = archive;
    longer.push(0);
    import(&engine, &longer, false).expect_err("a byte is too much");
    assert!(seen(&engine).is_empty());
}

#[test]
fn an_archive_with_any_byte_changed_is_refused_whole() {
    let archive = small();
    let (_folder, engine) = engine();
    for at in 0..archive.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = archive.clone();
            changed[at] ^= flip;
            let error = import(&engine, &changed, false).expect_err("it is damaged");
            assert!(matches!(error, Error::Archive(_)), "{at}: {error}");
        }
    }
    assert!(seen(&engine).is_empty());
}

/// With the hash that it would have, had it been written so.
fn rehashed(mut archive: Vec<u8>) -> Vec<u8> {
    let body = archive.len() - 32;
    let hash = *blake3::hash(&archive[..body]).as_bytes();
    archive[body..].copy_from_slice(&hash);
    archive
}

#[test]
fn an_archive_made_by_an_enemy_brings_only_results_that_a_call_could_have() {
    let archive = small();
    let (_folder, engine) = engine();
    let mut taken = 0;
    for at in 0..archive.len() - 32 {
        for flip in [1, 0x80] {
            let mut changed = archive.clone();
            changed[at] ^= flip;
            taken += u32::from(import(&engine, &rehashed(changed), false).is_ok());
        }
    }
    // Other arguments and other values are as good as those that were sent; `seen` checks all of them.
    assert!(taken > 50, "{taken}");
    assert!(seen(&engine).len() > 50);
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let mut archive = small();
    // The length of the first block.
    archive[29..37].copy_from_slice(&u64::MAX.to_le_bytes());
    let (_folder, engine) = engine();
    let error = import(&engine, &rehashed(archive.clone()), false).expect_err("it lies");
    assert!(
        matches!(error, Error::Archive(ArchiveError::TooLarge { .. })),
        "{error}"
    );
    archive[29..37].copy_from_slice(&(50u64 << 20).to_le_bytes());
    let error = import(&engine, &rehashed(archive), false).expect_err("it lies");
    assert!(
        matches!(error, Error::Archive(ArchiveError::Damaged { .. })),
        "{error}"
    );
}

#[test]
fn a_recipe_whose_types_only_read_like_others_is_refused() {
    let (_folder, engine) = engine();
    let honest = recipe("f", Type::record([("a", Type::U32), ("b", Type::U32)]));
    let forged = recipe("f", Type::record([("a: u32, b", Type::U32)]));
    assert_eq!(
        honest.recipe.key(),
        forged.recipe.key(),
        "their texts are the same"
    );
    for (record, sound) in [(honest, true), (forged, false)] {
        let mut bytes = Vec::new();
        let mut writer = archive::Writer::new(&mut bytes).expect("memory takes it");
        writer.recipe(&record).expect("memory takes it");
        writer.finish().expect("memory takes it");
        assert_eq!(import(&engine, &bytes, false).is_ok(), sound);
    }
}

#[test]
fn a_recipe_cannot_play_tricks_on_a_terminal() {
    let mut tricky = recipe("f", Type::String);
    tricky.recipe.function.docs = Some("Quotes.\n\u{1b}[2J".to_owned());
    tricky.recipe.literals.push(LiteralArgument {
        position: 1,
        fingerprint: print(1),
        text: "\u{1b}[31m7".to_owned(),
    });
    let known = archive::Recipe::of(tricky.clone()).expect("it is shown otherwise");
    let shown = &known.record.recipe;
    assert_eq!(shown.literals[0].text, "\\u{1b}[31m7");
    assert_eq!(shown.function.docs.as_deref(), Some("Quotes.\n\\u{1b}[2J"));
    assert_eq!(shown.key(), tricky.recipe.key());
    tricky.maker.function = "f\n".to_owned();
    assert!(archive::Recipe::of(tricky).is_err());
}

#[test]
fn results_of_impure_recipes_are_not_taken_from_archives_either() {
    let (_folder, engine) = engine();
    let impure = recipes().pop().expect("the last one is granted a clock");
    let mut bytes = Vec::new();
    let mut writer = archive::Writer::new(&mut bytes).expect("memory takes it");
    let number = writer.recipe(&impure).expect("memory takes it");
    let carried = archive::Carried::Value(&[0; 8]);
    writer
        .result(number, 5, &[print(1), print(2)], carried)
        .expect("memory takes it");
    writer.finish().expect("memory takes it");
    let report = import(&engine, &bytes, false).expect("it is sound");
    assert_eq!((report.imported, report.impure), (0, 1));
}

#[test]
fn what_the_store_has_lost_is_left_out_and_counted() {
    let (folder, engine) = engine();
    remember(
        &engine,
        &[(0, 1, Came::Value(70_000)), (0, 2, Came::Value(5))],
    );
    std::fs::remove_dir_all(folder.path().join("objects")).expect("the object is a file");
    let (archive, exported) = export(&engine);
    assert_eq!((exported.results, exported.lost), (1, 1));
    let (_folder, other) = self::engine();
    assert_eq!(
        import(&other, &archive, false)
            .expect("it is sound")
            .imported,
        1
    );
}
