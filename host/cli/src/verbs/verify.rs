//! `flowstone verify`: stored calls made again with the code that made them, and what differs.

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};

use flowstone::core::printable;
use flowstone::{Compared, Difference, VerifiedTransform, VerifyOptions, VerifyReport};

use crate::args::{SampleArgs, VerifyArgs};
use crate::failure::{EXIT_DONE, EXIT_FAILED_ROWS, EXIT_INTERRUPTED, Failure};
use crate::opening;
use crate::output::{Output, Paint, Style};
use crate::progress::Progress;
use crate::settings::FlowSettings;
use crate::signals;
use crate::table::{Table, count};
use crate::words;

/// Makes stored calls again and compares the results.
pub(crate) fn verify(args: &VerifyArgs, output: Output) -> Result<u8, Failure> {
    let (flow, names) = words::before(&args.words, args.flow.as_deref());
    let settings = FlowSettings::of(flow, &args.engine)?;
    let opened = opening::open(&settings, output)?;
    let options = args.sample.options();
    let progress = Progress::comparing(output);
    let outcome =
        (opened.engine).verify(&opened.flow, names, &options, signals::listen(), &progress);
    progress.finish();
    let report = outcome?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&text(&report, output.paint()))?;
    }
    Ok(status(&report))
}

impl SampleArgs {
    /// What the engine is asked to compare.
    pub(super) fn options(&self) -> VerifyOptions {
        VerifyOptions {
            sample: (!self.all).then_some(self.sample),
            seed: self.seed.unwrap_or_else(new_seed),
            differences_max: self.limit,
        }
    }
}

/// A number that is short enough to be typed again, from the standard library's randomly keyed hasher.
fn new_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish() % 1_000_000
}

/// The exit status that says what the comparison came to.
pub(super) fn status(report: &VerifyReport) -> u8 {
    if report.interrupted {
        EXIT_INTERRUPTED
    } else if report.transforms.iter().all(VerifiedTransform::is_sound) {
        EXIT_DONE
    } else {
        EXIT_FAILED_ROWS
    }
}

fn text(report: &VerifyReport, paint: Paint) -> String {
    let title = paint.text(Style::Bold, &report.flow);
    let seed = report
        .seed
        .map_or_else(String::new, |seed| format!(", seed {seed}"));
    let mut text = format!("verified {title}{seed}\n\n");
    let heads = [
        "transform",
        "results",
        "compared",
        "equal",
        "different",
        "failed",
    ];
    let mut table = Table::of_numbers(&heads);
    for transform in &report.transforms {
        let numbers = match &transform.left_out {
            Some(_) => [const { String::new() }; 5],
            None => [
                transform.stored,
                transform.compared,
                transform.equal,
                transform.different,
                transform.failed,
            ]
            .map(|number| number.to_string()),
        };
        table.row(std::iter::once(transform.name.clone()).chain(numbers));
    }
    text.push_str(&table.text(paint));
    let notes: String = report
        .transforms
        .iter()
        .map(|transform| notes(transform, report.interrupted, paint))
        .collect();
    if !notes.is_empty() {
        let _ = write!(text, "\n{notes}");
    }
    for transform in &report.transforms {
        text.push_str(&differences(transform, paint));
    }
    if report.interrupted {
        text.push_str("\ninterrupted: this is what was found until then\n");
    }
    text
}

/// What else is to be known of the comparison of a transform's results.
pub(super) fn notes(transform: &VerifiedTransform, interrupted: bool, paint: Paint) -> String {
    let mut text = String::new();
    let mut note = |note: String| {
        let _ = writeln!(
            text,
            "{} {}: {note}",
            paint.text(Style::Cyan, "note:"),
            transform.name
        );
    };
    if let Some(reason) = &transform.left_out {
        note(format!("left out: {reason}"));
        return text;
    }
    if transform.unreachable > 0 && !interrupted {
        note(format!(
            "{} not reached: no present row has these inputs",
            results(transform.unreachable)
        ));
    }
    if transform.put > 0 {
        note(format!("{} put by hand left out", results(transform.put)));
    }
    for code in &transform.without_code {
        note(format!(
            "{} of code {} `{}` left out: {}",
            results(code.results),
            code.component.get(..12).unwrap_or(&code.component),
            printable(&code.function, &[]),
            printable(&code.reason, &[]),
        ));
    }
    if transform.not_associative > 0 {
        note(format!(
            "its function is not associative: for {} of the neighbours compared it matters which two are put together \
             first, so what it comes to hangs on how the rows happen to be cut up",
            transform.not_associative
        ));
    }
    if let Some(bound) = bound(transform) {
        note(bound);
    }
    text
}

/// How many results may differ.
fn bound(transform: &VerifiedTransform) -> Option<String> {
    if transform.complete && transform.compared > 0 {
        return Some("every result that the present rows reach was compared".to_owned());
    }
    let share = transform.share_max?;
    Some(format!(
        "with 95 % confidence, at most {} of the results differ",
        percent(share)
    ))
}

/// A share in percent, rounded up: it is a bound.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let places = match percent {
        0.1.. => 1,
        0.01.. => 2,
        _ => 4,
    };
    let scale = 10f64.powi(places);
    let places = places as usize;
    format!(
        "{:.places$} %",
        ((percent * scale).ceil() / scale).min(100.0)
    )
}

fn results(number: u64) -> String {
    count(number, "result")
}

/// The differences and failed calls of a transform.
pub(super) fn differences(transform: &VerifiedTransform, paint: Paint) -> String {
    let mut text = String::new();
    let mut show = |difference: &Difference, labels| {
        let name = paint.text(Style::Bold, &transform.name);
        let row = printable(&difference.row, &[]);
        let part = match &*difference.part {
            "" => String::new(),
            part => format!(", at {part}"),
        };
        let _ = writeln!(text, "\n{name} {row}{part}");
        let compared = Compared {
            part: String::new(),
            first: difference.stored.clone(),
            second: difference.now.clone(),
            equal_characters: difference.equal_characters,
        };
        text.push_str(&pair(&compared, labels, paint));
    };
    for difference in &transform.differences {
        show(difference, ["stored", "now"]);
    }
    for difference in &transform.orders {
        show(difference, ["first", "second"]);
    }
    let shown = transform.differences.len() + transform.orders.len();
    more(&mut text, transform.different, shown);
    for failed in &transform.failures {
        let name = paint.text(Style::Bold, &transform.name);
        let reason = flowstone::printable(failed.reason.trim_end()).replace('\n', "\n    ");
        let row = printable(&failed.row, &[]);
        let _ = writeln!(
            text,
            "\n{name} {row}\n  {} {reason}",
            paint.text(Style::Red, "failed")
        );
    }
    more(&mut text, transform.failed, transform.failures.len());
    text
}

fn more(text: &mut String, all: u64, shown: usize) {
    let more = all.saturating_sub(shown as u64);
    if more > 0 {
        let _ = writeln!(text, "\n... and {more} more");
    }
}

/// Both values, one below the other, and a mark where they begin to differ.
pub(super) fn pair(compared: &Compared, labels: [&str; 2], paint: Paint) -> String {
    let width = labels.map(str::len).into_iter().max().unwrap_or(0) + 1;
    let mark = " ".repeat(compared.equal_characters) + "^";
    let [first, second] = labels;
    format!(
        "  {first:<width$} {}\n  {second:<width$} {}\n  {:width$} {}\n",
        compared.first,
        compared.second,
        "",
        paint.text(Style::Red, &mark)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_rounded_up() {
        let shown = [0.058_155, 0.95, 1.0, 0.002_99, 0.000_299, 2.9957e-6].map(percent);
        assert_eq!(
            shown,
            ["5.9 %", "95.0 %", "100.0 %", "0.3 %", "0.03 %", "0.0003 %"]
        );
    }

    #[test]
    fn the_place_where_values_differ_is_marked() {
        let compared = Compared::texts("{n: 12}", "{n: 13}");
        let expected = "  stored  {n: 12}\n  now     {n: 13}\n               ^\n";
        assert_eq!(pair(&compared, ["stored", "now"], Paint(false)), expected);
    }

    #[test]
    fn seeds_are_short() {
        assert!(new_seed() < 1_000_000);
    }
}
