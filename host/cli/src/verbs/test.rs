//! `flowstone test`: a plugin's cases, tried in the sandbox with the limits that flows have.

mod accept;
mod cases;
mod granted;
mod json;
mod judge;
mod report;
mod text;

use std::path::{Path, PathBuf};

use self::cases::{Case, CaseFile};
use self::judge::Verdict;
use self::report::Report;
use super::component;
use crate::args::{ComponentArgs, TestArgs};
use crate::failure::{EXIT_DONE, EXIT_FAILED_ROWS, Failure, Kind};
use crate::output::Output;

/// Tries the cases of a plugin.
pub(crate) fn test(args: &TestArgs, output: Output) -> Result<u8, Failure> {
    let plugin = args.plugin.as_deref().unwrap_or(Path::new("."));
    let paths = case_files(args)?;
    let named = ComponentArgs {
        component: plugin.display().to_string(),
        flow: None,
    };
    let bytes = if plugin.is_dir() {
        component::built(plugin, args.store.as_deref(), output)?.bytes
    } else {
        component::bytes(&named, output)?
    };
    let component = component::load(&named.component, &bytes, output)?;
    let interface = component.interface();
    let folder = plugin.is_dir().then_some(plugin);
    let files = paths
        .iter()
        .map(|path| cases::read(path, folder, interface, args))
        .collect::<Result<Vec<_>, _>>()?;
    let chosen = files
        .iter()
        .flat_map(|file| file.cases.iter().map(move |case| (file, case)))
        .filter(|(_, case)| is_chosen(case, &args.only))
        .collect::<Vec<_>>();
    if chosen.is_empty() {
        return Err(nothing_to_try(&files, &args.only));
    }
    let cases = chosen.iter().map(|(_, case)| *case).collect::<Vec<_>>();
    let verdicts = judge::judge(&component, &chosen, &args.limits.limits())?;
    let mut report = Report::new(interface, &chosen, &verdicts);
    if args.accept {
        accept_all(&files, &cases, &verdicts, &mut report)?;
    }
    report.show(args.only.is_empty(), output)?;
    Ok(if report.failed() == 0 {
        EXIT_DONE
    } else {
        EXIT_FAILED_ROWS
    })
}

/// The files that were named, or those that lie where cases of a plugin are looked for.
fn case_files(args: &TestArgs) -> Result<Vec<PathBuf>, Failure> {
    if let Some(path) = &args.cases {
        let files = if path.is_dir() {
            in_folder(path, path)?
        } else {
            // Whoever names a file means what it leads to.
            vec![path.clone()]
        };
        return some(files, &format!("`{}` has no case files", path.display()));
    }
    let folder = args.plugin.as_deref().unwrap_or(Path::new(""));
    if folder.is_file() {
        let message = format!("no cases were named for `{}`", folder.display());
        return Err(Failure::new(Kind::Usage, message).hint("`--cases FILE` names them"));
    }
    let mut files = Vec::new();
    let single = folder.join("cases.toml");
    let shown = args.plugin.as_deref().unwrap_or(Path::new("."));
    if single.exists() {
        lies_in(&single, shown)?;
        files.push(single);
    }
    let several = folder.join("cases");
    if several.is_dir() {
        files.extend(in_folder(&several, shown)?);
    }
    some(files, &format!("`{}` has no cases", shown.display()))
}

fn some(files: Vec<PathBuf>, message: &str) -> Result<Vec<PathBuf>, Failure> {
    if files.is_empty() {
        let hint = "cases are written into `cases.toml`, or into `.toml` files in a folder `cases/`: a line `[[case]]`, then \
                    `function = \"NAME\"`, `args = ['\"WAVE\"']` and `expect = 'WAVE'`";
        return Err(Failure::new(Kind::NotFound, message).hint(hint));
    }
    Ok(files)
}

/// The case files of a folder, by name. All of them lie in `root`.
fn in_folder(folder: &Path, root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = std::fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
    });
    let mut files = listed.map_err(|error| {
        let message = format!("cannot list `{}`: {error}", folder.display());
        Failure::new(Kind::Usage, message)
    })?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort_unstable();
    files.iter().try_for_each(|file| lies_in(file, root))?;
    Ok(files)
}

/// Refuses what is no file of a folder, wherever links lead: cases are shown, and `--accept` writes to them.
fn lies_in(file: &Path, root: &Path) -> Result<(), Failure> {
    let wrong = |what: &str| {
        let message = format!("`{}` {what}", file.display());
        Failure::new(Kind::Usage, message)
    };
    if !file.is_file() {
        return Err(wrong("is not a file"));
    }
    let root = root.canonicalize();
    let inside = file
        .canonicalize()
        .and_then(|file| Ok(file.starts_with(root?)));
    if inside.is_ok_and(|inside| inside) {
        return Ok(());
    }
    Err(wrong("leads out of the folder that is tested")
        .hint("copy the file there, or name it: `--cases FILE`"))
}

fn is_chosen(case: &Case, only: &[String]) -> bool {
    let function = &case.function;
    let is = |wanted: &String| {
        function.name == *wanted
            || function.short_name() == wanted
            || case
                .name
                .as_ref()
                .is_some_and(|name| name.contains(&**wanted))
    };
    only.is_empty() || only.iter().any(is)
}

fn nothing_to_try(files: &[CaseFile], only: &[String]) -> Failure {
    let mut functions = files
        .iter()
        .flat_map(|file| &file.cases)
        .map(|case| case.function.short_name())
        .collect::<Vec<_>>();
    functions.dedup();
    if functions.is_empty() {
        let names = files.iter().map(|file| format!("`{}`", file.text.name));
        let message = format!(
            "there is no case in {}",
            names.collect::<Vec<_>>().join(", ")
        );
        return Failure::new(Kind::NotFound, message)
            .hint("a case begins with a line `[[case]]`, then `function = \"NAME\"`");
    }
    let message = format!(
        "no case is named `{}`, nor is its function",
        only.join("`, `")
    );
    Failure::new(Kind::NotFound, message).hint(flowstone::core::suggest(
        only.first().map_or("", |first| first),
        functions,
    ))
}

/// Writes what cases gave into their files, and takes them for passed.
fn accept_all(
    files: &[CaseFile],
    cases: &[&Case],
    verdicts: &[Verdict],
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    // Those that are tried are in the order of the files.
    let mut next = cases.iter().enumerate().peekable();
    let mut position =
        |case: &Case| Some(next.next_if(|(_, tried)| std::ptr::eq(**tried, case))?.0);
    for file in files {
        let tried = file.cases.iter().map(&mut position).collect::<Vec<_>>();
        let of_file = tried.iter().map(|at| Some(&verdicts[(*at)?]));
        let accepted = accept::accept(file, &of_file.collect::<Vec<_>>())?;
        for (at, accepted) in tried.into_iter().zip(accepted) {
            if let (Some(at), true) = (at, accepted) {
                report.accept(at);
            }
        }
    }
    Ok(())
}
