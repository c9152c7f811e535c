//! `flowstone new flow`: some texts, a plugin for them, and a table of what it says of each.

use std::path::{Component, Path, PathBuf};

use flowstone::core::{Function, Type};

use super::folder::Folder;
use super::{Made, templates};
use crate::args::NewFlowArgs;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::verbs::component;

/// Where the plugin that comes with a flow lies.
const OWN: &str = "plugins/words";

/// What a flow calls.
struct Called {
    plugin: String,
    source: String,
    function: String,
    parameter: String,
}

/// Writes the files of a flow, and of its plugin where none is named.
pub(super) fn flow(args: &NewFlowArgs, output: Output) -> Result<Made, Failure> {
    let folder = Folder::new(&args.folder)?;
    let called = match &args.plugin {
        None => Called {
            plugin: "words".to_owned(),
            source: OWN.to_owned(),
            function: "count".to_owned(),
            parameter: "text".to_owned(),
        },
        Some(plugin) => of_plugin(plugin, &args.folder, output)?,
    };
    // `${` would begin a variable.
    let source = templates::in_quotes(&called.source).replace("${", "$${");
    let mut files = templates::flow(&[
        ("flow-name", folder.name()),
        ("plugin-name", &called.plugin),
        ("plugin-source", &source),
        ("function-name", &called.function),
        ("parameter-name", &called.parameter),
    ]);
    if args.plugin.is_none() {
        let own = templates::plugin(args.language, "words")?;
        files.extend(own.into_iter().map(|file| templates::File {
            path: format!("{OWN}/{}", file.path),
            ..file
        }));
    }
    let files = folder.write(&files)?;
    Ok(Made {
        what: format!("flow `{}`", folder.name()),
        folder,
        files,
        next: ["flowstone check", "flowstone run"]
            .map(str::to_owned)
            .into(),
    })
}

/// The first function of a plugin that a text can be given to.
fn of_plugin(plugin: &Path, flow: &Path, output: Output) -> Result<Called, Failure> {
    let shown = plugin.display().to_string();
    if !plugin.is_dir() {
        return Err(
            Failure::new(Kind::NotFound, format!("there is no folder `{shown}`"))
                .hint("name the folder with the plugin's sources"),
        );
    }
    let built = component::built(plugin, None, output)?;
    let loaded = flowstone::Component::load(&shown, &built.bytes)?;
    let functions = &loaded.interface().functions;
    let takes_text = |function: &&Function| match &*function.params {
        [only] => only.ty == Type::String && function.result.is_some(),
        _ => false,
    };
    let Some(function) = functions.iter().find(takes_text) else {
        let all: Vec<_> = functions.iter().map(ToString::to_string).collect();
        let message = format!("no function of `{shown}` takes one string and gives something");
        return Err(Failure::new(Kind::Plugin, message)
            .detail(all.join("\n"))
            .hint("make a flow without `--plugin`, and write its transforms for these functions"));
    };
    let absolute = |path: &Path| std::path::absolute(path).and_then(|path| resolved(&path));
    let (from, to) = absolute(flow)
        .and_then(|flow| Ok((flow, plugin.canonicalize()?)))
        .map_err(|error| {
            Failure::new(Kind::Machine, format!("cannot look at `{shown}`: {error}"))
        })?;
    Ok(Called {
        plugin: plugin_name(&to),
        source: relative(&from, &to),
        function: match loaded.interface().function(function.short_name()) {
            Some(_) => function.short_name().to_owned(),
            None => function.name.clone(),
        },
        parameter: function
            .params
            .first()
            .map(|param| param.name.clone())
            .unwrap_or_default(),
    })
}

/// A path whose last parts need not be there, without symbolic links in those that are.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), _, _) => Ok(path),
        (Err(_), Some(parent), Some(name)) => Ok(resolved(parent)?.join(name)),
        (Err(error), _, _) => Err(error),
    }
}

/// What a flow may call a plugin, after its folder.
fn plugin_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name
    } else {
        "plugin".to_owned()
    }
}

/// The way from one folder to another, as a flow file has it.
fn relative(from: &Path, to: &Path) -> String {
    let same = from.components().zip(to.components());
    let common = same.take_while(|(from, to)| from == to).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common))
        .collect::<PathBuf>()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_plugin_starts_at_the_flow() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(way("/a/flow", "/a/plugins/words"), "../plugins/words");
        assert_eq!(way("/a", "/a/words"), "words");
        assert_eq!(way("/a/b/c", "/x"), "../../../x");
    }

    #[test]
    fn a_plugin_is_called_after_its_folder() {
        assert_eq!(plugin_name(Path::new("/a/word-count")), "word-count");
        assert_eq!(plugin_name(Path::new("/a/my plugin")), "my-plugin");
        assert_eq!(plugin_name(Path::new("/a/2")), "plugin");
    }
}
