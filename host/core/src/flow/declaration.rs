//! What the flow file declares, read but not yet wired: names, kinds and options with their places.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::batch::BatchSettings;
use super::cache::{CacheSettings, Identity, StoreSettings, read_identity, read_store};
use super::connectors::Options;
use super::fields::Fields;
use super::grants::{Grants, Variable};
use super::plan::InstanceMode;
use super::steps::{
    LookupDecl, ReduceDecl, StateDecl, UnionDecl, check_state_cache, read_call, read_reduce,
    read_state, read_union,
};
use super::tree::{self, Entry, Located, Node};
use crate::diagnostic::{Diagnostic, FlowErrors};
use crate::units::{parse_duration, parse_size};

/// A flow file as it is written, every part with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowFile {
    /// The flow's name.
    pub name: Located<String>,
    /// The plugins, in the order of the file.
    pub plugins: Vec<PluginDecl>,
    /// The sources.
    pub sources: Vec<SourceDecl>,
    pub(crate) transforms: Vec<TransformDecl>,
    pub(crate) reduces: Vec<ReduceDecl>,
    pub(crate) unions: Vec<UnionDecl>,
    pub(crate) targets: Vec<TargetDecl>,
    /// What the store keeps.
    pub store: StoreSettings,
}

/// A plugin: where its component comes from, and its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginDecl {
    /// The name that the flow gives it.
    pub name: Located<String>,
    /// Where the component comes from.
    pub origin: Located<PluginOrigin>,
    /// What stands for its code in cache keys, where the flow says.
    pub identity: Option<Identity>,
    /// The most memory a call may take, in bytes, where the flow says.
    pub memory_bytes_max: Option<u64>,
    /// The most time a call may take, where the flow says.
    pub time_max: Option<Duration>,
}

/// Where a plugin's component comes from. Paths are relative to the flow file's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginOrigin {
    /// A folder with the sources, built when the component is older.
    Source(String),
    /// A component file.
    Component(String),
}

/// A source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceDecl {
    /// Its name, also the name of its collection.
    pub name: Located<String>,
    pub(crate) kind: Located<String>,
    pub(crate) options: Options,
    pub(crate) option_spans: BTreeMap<String, Located<()>>,
    pub(crate) on_error: OnError,
}

/// What becomes of a row's target rows when the row fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// They stay as the last good version of the row left them.
    #[default]
    Keep,
    /// What failed is left out; everything else of the row is brought up to date.
    Drop,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TransformDecl {
    pub(crate) name: Located<String>,
    pub(crate) call: Located<String>,
    pub(crate) each: Located<String>,
    pub(crate) rows: bool,
    pub(crate) batch: Option<BatchSettings>,
    pub(crate) instance: InstanceMode,
    pub(crate) with: Vec<Entry>,
    pub(crate) from: Vec<(Located<String>, Located<String>)>,
    pub(crate) lookups: Vec<LookupDecl>,
    pub(crate) state: Option<StateDecl>,
    pub(crate) cache: CacheSettings,
    /// The place of the name of its pin.
    pub(crate) pin_place: Option<Range<usize>>,
    pub(crate) grants: Grants,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetDecl {
    pub(crate) name: Located<String>,
    pub(crate) kind: Located<String>,
    pub(crate) options: Options,
    pub(crate) option_spans: BTreeMap<String, Located<()>>,
    pub(crate) rows: Located<String>,
    pub(crate) key: Option<Vec<Located<String>>>,
    pub(crate) columns: Vec<(Located<String>, Located<String>)>,
}

impl FlowFile {
    /// Reads a flow file. `variables` override those of its `[var]` table.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place. Nothing is wired here: see [`FlowFile::wire`].
    pub fn parse(text: &str, variables: &BTreeMap<String, String>) -> Result<Self, FlowErrors> {
        let root = tree::parse(text, variables)?;
        let mut errors = Vec::new();
        let file = read_file(&root, &mut errors);
        errors.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
        match file {
            Some(file) if errors.is_empty() => Ok(file),
            _ => Err(FlowErrors(errors)),
        }
    }

    /// What the steps are granted.
    pub fn grants(&self) -> impl Iterator<Item = &Grants> {
        let reduces = self.reduces.iter().map(|reduce| &reduce.call);
        let calls = self.transforms.iter().chain(reduces);
        calls.map(|call| &call.grants)
    }

    /// The granted variables whose values are those of flowstone's own environment: whoever has one sets them.
    pub fn inherited_variables(&mut self) -> impl Iterator<Item = &mut Variable> {
        let reduces = self.reduces.iter_mut().map(|reduce| &mut reduce.call);
        let calls = self.transforms.iter_mut().chain(reduces);
        calls.flat_map(|call| call.grants.inherited_variables())
    }
}

fn read_file(root: &[Entry], errors: &mut Vec<Diagnostic>) -> Option<FlowFile> {
    let mut fields = Fields::new("the flow", 0..0, root, errors);
    let name = fields.required_str("name", "name = \"handbook\"");
    let plugins = fields.tables("plugin");
    let sources = fields.tables("source");
    let transforms = fields.tables("transform");
    let reduces = fields.tables("reduce");
    let unions = fields.tables("union");
    let targets = fields.tables("target");
    let store = read_store(&mut fields);
    fields.finish();
    if let Some(name) = &name
        && (name.value.is_empty() || name.value.chars().any(char::is_control))
    {
        errors.push(Diagnostic::at(
            &name.span,
            "the flow's name is empty or has control characters in it",
        ));
    }
    let file = FlowFile {
        plugins: plugins
            .iter()
            .filter_map(|(name, node)| read_plugin(name, node, errors))
            .collect(),
        sources: sources
            .iter()
            .filter_map(|(name, node)| read_source(name, node, errors))
            .collect(),
        transforms: transforms
            .iter()
            .filter_map(|(name, node)| read_transform(name, node, errors))
            .collect(),
        reduces: reduces
            .iter()
            .filter_map(|(name, node)| read_reduce(name, node, errors))
            .collect(),
        unions: unions
            .iter()
            .filter_map(|(name, node)| read_union(name, node, errors))
            .collect(),
        targets: targets
            .iter()
            .filter_map(|(name, node)| read_target(name, node, errors))
            .collect(),
        store,
        name: name?,
    };
    if file.sources.is_empty() && errors.is_empty() {
        errors.push(
            Diagnostic::at(&file.name.span, "the flow has no source")
                .help("add one: `[source.page]`, `kind = \"files\"`, `root = \"docs\"`"),
        );
    }
    Some(file)
}

fn read_plugin(
    name: &Located<String>,
    node: &Node,
    errors: &mut Vec<Diagnostic>,
) -> Option<PluginDecl> {
    let mut fields = Fields::of(format!("plugin `{}`", name.value), node, errors)?;
    let source = fields.str("source");
    let component = fields.str("component");
    let limits = fields.table("limits");
    let identity = read_identity(&mut fields);
    fields.finish();
    let origin = match (source, component) {
        (Some(path), None) => Located::new(PluginOrigin::Source(path.value), path.span),
        (None, Some(path)) => Located::new(PluginOrigin::Component(path.value), path.span),
        (Some(_), Some(second)) => {
            let message = format!("plugin `{}` has both `source` and `component`", name.value);
            errors.push(
                Diagnostic::at(&second.span, message).help("keep the one that it comes from"),
            );
            return None;
        }
        (None, None) => {
            let message = format!(
                "plugin `{}` has neither `source` nor `component`",
                name.value
            );
            errors.push(
                Diagnostic::at(&name.span, message)
                    .help("name its folder, `source = \"plugins/text\"`, or its file, `component = \"text.wasm\"`"),
            );
            return None;
        }
    };
    let mut plugin = PluginDecl {
        name: name.clone(),
        origin,
        identity,
        memory_bytes_max: None,
        time_max: None,
    };
    if let Some((limits, span)) = limits {
        let mut fields = Fields::new(
            &format!("the limits of plugin `{}`", name.value),
            span,
            limits,
            errors,
        );
        plugin.memory_bytes_max = fields.parsed("memory", "a size such as \"64MiB\"", parse_size);
        plugin.time_max = fields.parsed("time", "a duration such as \"2s\"", parse_duration);
        fields.finish();
    }
    Some(plugin)
}

fn read_source(
    name: &Located<String>,
    node: &Node,
    errors: &mut Vec<Diagnostic>,
) -> Option<SourceDecl> {
    let mut fields = Fields::of(format!("source `{}`", name.value), node, errors)?;
    let kind = fields.required_str("kind", "kind = \"files\"");
    let on_error = read_on_error(&mut fields);
    let (options, option_spans) = fields.rest();
    Some(SourceDecl {
        name: name.clone(),
        kind: kind?,
        options,
        option_spans,
        on_error,
    })
}

pub(super) fn read_on_error(fields: &mut Fields<'_, '_>) -> OnError {
    let read = fields.parsed("on-error", "\"keep\" or \"drop\"", |text| match text {
        "keep" => Some(OnError::Keep),
        "drop" => Some(OnError::Drop),
        _ => None,
    });
    read.unwrap_or_default()
}

fn read_transform(
    name: &Located<String>,
    node: &Node,
    errors: &mut Vec<Diagnostic>,
) -> Option<TransformDecl> {
    let mut fields = Fields::of(format!("transform `{}`", name.value), node, errors)?;
    let each = fields.required_str("each", "each = \"page\"");
    let state = read_state(&mut fields);
    let decl = read_call(name, each, state, &mut fields);
    if let Some(decl) = &decl {
        check_state_cache(decl, &mut fields);
    }
    fields.finish();
    decl
}

fn read_target(
    name: &Located<String>,
    node: &Node,
    errors: &mut Vec<Diagnostic>,
) -> Option<TargetDecl> {
    let mut fields = Fields::of(format!("target `{}`", name.value), node, errors)?;
    let kind = fields.required_str("kind", "kind = \"sqlite\"");
    let rows = fields.required_str("rows", "rows = \"section\"");
    let key = fields.string_list("key");
    let has_columns = fields.has("columns");
    let columns = fields.strings_table("columns");
    let (options, option_spans) = fields.rest();
    if !has_columns {
        let message = format!("target `{}` has no `columns`", name.value);
        errors.push(
            Diagnostic::at(&name.span, message)
                .help("for example: `columns = { path = \"page.path\", text = \"text\" }`"),
        );
    }
    Some(TargetDecl {
        name: name.clone(),
        kind: kind?,
        options,
        option_spans,
        rows: rows?,
        key,
        columns,
    })
}
