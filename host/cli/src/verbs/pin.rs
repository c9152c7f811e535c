//! `flowstone pin`: results that outlive the code that made them: adopt, list, drop, move, verify.

use std::fmt::Write as _;
use std::path::Path;

use flowstone::core::printable;
use flowstone::{AdoptReport, DropReport, Engine, Error, MoveReport, PinReport, VerifyReport};
use serde_json::json;

use super::verify::{differences, notes, status};
use crate::args::{
    EngineArgs, PinAdoptArgs, PinArgs, PinDropArgs, PinListArgs, PinMoveArgs, PinVerb,
    PinVerifyArgs,
};
use crate::failure::{EXIT_DONE, Failure, Kind, pins};
use crate::opening;
use crate::output::{Output, Paint, Style};
use crate::progress::Progress;
use crate::settings::{FlowSettings, engine_config, store_alone};
use crate::signals;
use crate::table::{Table, count};
use crate::when::{ago, utc};

/// Does what was asked of pins.
pub(crate) fn pin(args: &PinArgs, output: Output) -> Result<u8, Failure> {
    match &args.verb {
        PinVerb::Adopt(args) => adopt(args, output),
        PinVerb::List(args) => list(args, output),
        PinVerb::Drop(args) => drop_pin(args, output),
        PinVerb::Move(args) => move_pin(args, output),
        PinVerb::Verify(args) => verify(args, output),
    }
}

fn adopt(args: &PinAdoptArgs, output: Output) -> Result<u8, Failure> {
    let (settings, words) = args.words.split(&["TRANSFORM"], 1)?;
    let opened = opening::open(&settings, output)?;
    let from = args.from.clone().unwrap_or_default();
    let outcome = opened
        .engine
        .adopt_pin(&opened.flow, &words[0], &from, signals::listen());
    let report = outcome.map_err(|error| match &error {
        Error::Pin(wrong) => pins::failure(wrong, named(args).as_deref()),
        _ => error.into(),
    })?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&adopted(&report, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

/// The flow as it was named, for commands that are proposed.
fn named(args: &PinAdoptArgs) -> Option<String> {
    let option = args.words.flow.as_ref();
    let option = option.map(|flow| flow.display().to_string());
    option.or_else(|| match &*args.words.words {
        [flow, _] => Some(flow.clone()),
        _ => None,
    })
}

fn adopted(report: &AdoptReport, paint: Paint) -> String {
    let pin = paint.text(Style::Bold, &report.pin);
    let mut text = format!(
        "pin {pin} adopted {} of {}\n",
        count(report.adopted, "result"),
        report.transform
    );
    for (component, function) in &report.codes {
        let digest = component.get(..12).unwrap_or(component);
        let _ = writeln!(text, "  made by {digest} `{}`", printable(function, &[]));
    }
    if report.already > 0 {
        let _ = writeln!(text, "  {} it had already", report.already);
    }
    if report.other > 0 {
        let _ = writeln!(
            text,
            "  for {} it has another result, which stays",
            count(report.other, "call")
        );
    }
    let _ = writeln!(text, "it has {} now", count(report.entries, "result"));
    text
}

/// The engine on a store that is there: named, or that of a flow.
fn engine(flow: Option<&Path>, store: Option<&Path>) -> Result<Engine, Failure> {
    // Without a flow file, a store is enough.
    let alone = match (store, flow) {
        (None, None) => store_alone(None)?,
        (store, _) => store.map(Path::to_owned),
    };
    let store = if let Some(store) = alone {
        store
    } else {
        FlowSettings::of(flow, &EngineArgs::none())?.store
    };
    if !store.join("store.redb").is_file() {
        let message = format!("there is no store `{}`", store.display());
        return Err(Failure::new(Kind::NotFound, message)
            .hint("the first run of a flow makes it; `--store DIR` names another"));
    }
    Ok(Engine::open(&store, engine_config())?)
}

fn list(args: &PinListArgs, output: Output) -> Result<u8, Failure> {
    let engine = engine(args.flow.as_deref(), args.store.as_deref())?;
    let pins = engine.pins(signals::listen())?;
    if output.json {
        output.object(&json!({ "pins": pins }))?;
    } else if pins.is_empty() {
        output.answer("no pins\n")?;
    } else {
        output.answer(&listed(&pins, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

fn listed(pins: &[PinReport], paint: Paint) -> String {
    let mut text = String::new();
    for pin in pins {
        let name = paint.text(Style::Bold, &printable(&pin.name, &[]));
        let _ = writeln!(text, "{name}: {}", count(pin.entries, "result"));
        if !pin.transform.is_empty() {
            let user = format!("{} of flow {}", pin.transform, pin.flow);
            let _ = writeln!(text, "  used by {}", printable(&user, &[]));
            let _ = writeln!(text, "  {}", printable(&pin.signature, &[]));
        }
        if !pin.codes.is_empty() {
            let mut table = Table::of_text(&["  made by", "function", "results", "last run"]);
            for code in &pin.codes {
                table.row([
                    format!("  {}", short(&code.component)),
                    printable(&code.function, &[]),
                    code.entries.to_string(),
                    code.last_run.to_string(),
                ]);
            }
            text.push_str(&table.numbers([2, 3]).text(paint));
        }
        for adoption in &pin.adopted {
            let _ = writeln!(
                text,
                "  adopted {} of {} `{}` after run {}, {} ({})",
                adoption.entries,
                short(&adoption.component),
                printable(&adoption.function, &[]),
                adoption.run,
                utc(adoption.at),
                ago(adoption.at)
            );
        }
        let _ = writeln!(text, "  {}", proof(pin));
    }
    text
}

/// How far the results of a pin are proved.
fn proof(pin: &PinReport) -> String {
    let Some(verified) = &pin.verified else {
        return "not verified".to_owned();
    };
    let mut text = format!("verified {} of {}", verified.compared, verified.of);
    if verified.different > 0 {
        let _ = write!(text, ", {} different", verified.different);
    }
    if verified.failed > 0 {
        let _ = write!(text, ", {} failed", verified.failed);
    }
    let _ = write!(
        text,
        " with {} `{}` after run {}, {} ({})",
        short(&verified.component),
        printable(&verified.function, &[]),
        verified.run,
        utc(verified.at),
        ago(verified.at)
    );
    text
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn drop_pin(args: &PinDropArgs, output: Output) -> Result<u8, Failure> {
    let engine = engine(args.store.flow.as_deref(), args.store.store.as_deref())?;
    let report = engine.drop_pin(&args.name, signals::listen())?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&dropped(&report, output.paint()))?;
        output.note("while a flow names the pin, rows that change bring it back: take it out of the flow file");
    }
    Ok(EXIT_DONE)
}

fn dropped(report: &DropReport, paint: Paint) -> String {
    let pin = paint.text(Style::Bold, &printable(&report.pin, &[]));
    let mut text = format!("dropped pin {pin}\n");
    for code in &report.codes {
        let _ = writeln!(
            text,
            "  {} of {} `{}`",
            count(code.entries, "result"),
            short(&code.component),
            printable(&code.function, &[])
        );
    }
    let _ = writeln!(
        text,
        "{} went back to the code that made them, {} had never left it",
        count(report.returned, "result"),
        report.already
    );
    text
}

fn move_pin(args: &PinMoveArgs, output: Output) -> Result<u8, Failure> {
    let engine = engine(args.store.flow.as_deref(), args.store.store.as_deref())?;
    let report = engine.move_pin(&args.old, &args.new, signals::listen())?;
    if output.json {
        output.object(&report)?;
    } else {
        let MoveReport { from, to, entries } = &report;
        let moved = count(*entries, "result");
        let (from, to) = (printable(from, &[]), printable(to, &[]));
        output.answer(&format!("moved {moved} of pin {from} to {to}\n"))?;
        output.note("flows name a pin in their file: put the new name there");
    }
    Ok(EXIT_DONE)
}

fn verify(args: &PinVerifyArgs, output: Output) -> Result<u8, Failure> {
    let (settings, words) = args.words.split(&["TRANSFORM"], 1)?;
    let opened = opening::open(&settings, output)?;
    let options = args.sample.options();
    let progress = Progress::comparing(output);
    let outcome = opened.engine.verify_pin(
        &opened.flow,
        &words[0],
        &options,
        signals::listen(),
        &progress,
    );
    progress.finish();
    let report = outcome?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&verified(&report, output.paint()))?;
    }
    Ok(status(&report))
}

fn verified(report: &VerifyReport, paint: Paint) -> String {
    let mut text = String::new();
    for transform in &report.transforms {
        let pin = transform.pin.as_deref().unwrap_or_default();
        let seed = report
            .seed
            .map_or_else(String::new, |seed| format!(", seed {seed}"));
        let _ = writeln!(
            text,
            "pin {} of {}: compared {} of {}{seed}",
            paint.text(Style::Bold, pin),
            transform.name,
            transform.compared,
            count(transform.stored, "result"),
        );
        let _ = writeln!(
            text,
            "  {} equal, {} different, {} failed",
            transform.equal, transform.different, transform.failed
        );
        text.push_str(&notes(transform, report.interrupted, paint));
        text.push_str(&differences(transform, paint));
    }
    if report.interrupted {
        text.push_str("\ninterrupted: this is what was found until then, and no proof is kept\n");
    }
    text
}
