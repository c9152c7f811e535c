//! Accepting: what cases gave is written into their file. All else in it, comments too, stays as it is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

use flowstone::core::{format_size, to_wave};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::cases::{Case, CaseFile, Expected};
use super::judge::{Broken, Fault, Verdict, reason};
use super::text::{FILE_BYTES_MAX, too_large};
use crate::failure::{Failure, Kind};

/// So many bytes may a result have that is written down: people read them.
const RESULT_BYTES_MAX: usize = 1 << 20;

/// Writes what is new; for each case whether it is now expected.
pub(super) fn accept(file: &CaseFile, verdicts: &[Option<&Verdict>]) -> Result<Vec<bool>, Failure> {
    let cases = file.cases.iter().zip(verdicts).enumerate();
    let edits = cases.filter_map(|(at, (case, verdict))| Some((at, setting(case, (*verdict)?)?)));
    let edits = edits.collect::<Vec<_>>();
    let at = edits.iter().map(|(at, _)| *at).collect::<BTreeSet<_>>();
    let accepted = (0..file.cases.len())
        .map(|case| at.contains(&case))
        .collect();
    if edits.is_empty() {
        return Ok(accepted);
    }
    let shown = &file.text.name;
    let is_large = |(_, (_, value)): &&(usize, Setting)| value.len() > RESULT_BYTES_MAX;
    if let Some((at, (_, value))) = edits.iter().find(is_large) {
        let size = format_size(value.len() as u64);
        let message = format!(
            "what the case at {shown}:{} gives is too large to be written down: {size}, and at most 1 MiB is",
            file.cases[*at].line
        );
        return Err(Failure::new(Kind::Usage, message)
            .hint("give it less, or test a function that tells a part of it; nothing was accepted in this file"));
    }
    let text = edited(file, &edits);
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large(&format!("with what came `{shown}`")));
    }
    if !has_settings(&text, file.cases.len(), &edits) {
        let message = format!("the cases of `{shown}` cannot be edited as they are written");
        return Err(Failure::new(Kind::Usage, message)
            .hint("write each case as a table of its own: a line `[[case]]`, then its settings"));
    }
    write(&file.path, &text)
        .map_err(|error| Failure::new(Kind::Machine, format!("cannot write `{shown}`: {error}")))?;
    Ok(accepted)
}

/// A setting by its name, with its value as TOML.
type Setting = (&'static str, String);

/// The setting that expects what the case gave; none where it already does, or where it gave nothing that can be expected:
/// that a call came to a limit says nothing of what it gives elsewhere.
fn setting(case: &Case, verdict: &Verdict) -> Option<Setting> {
    match verdict.fault.as_ref()? {
        Fault::Undetermined(_) | Fault::Ordered(_) => return None,
        Fault::Other(_) | Fault::NotFailed { .. } | Fault::Broken(_) | Fault::Unsaid(_) => {}
    }
    if verdict.outcome.as_ref().is_err_and(Broken::is_limit) {
        return None;
    }
    if let Expected::Failure(_) = case.expected
        && let Some(reason) = reason(&verdict.outcome, &case.function)
    {
        let line = reason.lines().next().unwrap_or_default();
        return Some(("fails", string(line)));
    }
    // A call that breaks is expected only where somebody says so.
    let value = verdict.outcome.as_ref().ok()?.as_ref()?;
    let ty = case.function.result.as_ref()?;
    Some(("expect", string(&to_wave(value, ty))))
}

/// A text as TOML: as it is in single quotes where that can be, else with escapes.
fn string(text: &str) -> String {
    let is_plain = |letter: char| letter != '\'' && !letter.is_control();
    if text.chars().all(is_plain) {
        return format!("'{text}'");
    }
    let mut string = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => string.extend(['\\', letter]),
            letter if letter.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(string, "\\u{:04x}", u32::from(letter));
            }
            letter => string.push(letter),
        }
    }
    string.push('"');
    string
}

/// The text with these settings in it, each of the case at its position.
fn edited(file: &CaseFile, edits: &[(usize, Setting)]) -> String {
    let text = &file.text.text;
    let mut places = edits
        .iter()
        .map(|(at, setting)| edit(text, &file.cases[*at], setting))
        .collect::<Vec<_>>();
    places.sort_by_key(|(place, _)| place.start);
    let (mut edited, mut taken) = (String::with_capacity(text.len()), 0);
    for (place, new) in places {
        edited.push_str(&text[taken..place.start]);
        edited.push_str(&new);
        taken = place.end;
    }
    edited + &text[taken..]
}

/// The place in the text that a setting goes to, and what is written there.
fn edit(text: &str, case: &Case, (name, value): &Setting) -> (Range<usize>, String) {
    let setting = format!("{name} = {value}");
    if let Some(place) = &case.place.expectation {
        return (place.clone(), setting);
    }
    let end = case.place.end;
    match text[end..].find('\n') {
        Some(line) => (end + line + 1..end + line + 1, format!("{setting}\n")),
        None => (text.len()..text.len(), format!("\n{setting}\n")),
    }
}

/// Whether a text is a file of so many cases, with these settings where they belong.
fn has_settings(text: &str, cases: usize, edits: &[(usize, Setting)]) -> bool {
    let Ok(table) = DeTable::parse(text) else {
        return false;
    };
    let items = match table.get_ref().get("case").map(Spanned::get_ref) {
        Some(DeValue::Array(items)) if items.len() == cases => items,
        _ => return false,
    };
    let has = |(at, (name, _)): &(usize, Setting)| matches!(items[*at].get_ref(), DeValue::Table(case) if case.contains_key(*name));
    edits.iter().all(has)
}

/// Writes the file as a whole: whoever reads it sees the old or the new one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    let permissions = std::fs::metadata(&path)?.permissions();
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}
