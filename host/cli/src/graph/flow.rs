//! From a checked flow and its last run to the graph.

use std::collections::BTreeMap;
use std::time::Duration;

use flowstone::RunReport;
use flowstone::core::{
    Argument, CacheMode, ColumnKind, ColumnRef, OptionValue, Options, Plan, Stage, TargetPlan,
    Transform, to_wave,
};

use super::{Counts, Edge, Graph, Node, NodeKind, RunNote, Status, Taken};

impl Graph {
    /// The graph of a flow, with the outcome of a run of it.
    pub(crate) fn of(plan: &Plan, run: Option<&RunReport>) -> Self {
        let mut graph = Self {
            flow: plan.name.clone(),
            run: run.map(RunNote::of),
            nodes: Vec::new(),
            edges: Vec::new(),
        };
        for stage in &plan.stages {
            graph.add(stage, run);
        }
        graph
    }

    fn add(&mut self, stage: &Stage, run: Option<&RunReport>) {
        // The source comes first, then the transforms, in the order of the stage.
        let source = self.nodes.len();
        let transform_at = |index: usize| source + 1 + index;
        let maker = |collection: usize| {
            let maker =
                (stage.transforms.iter()).position(|transform| transform.makes == Some(collection));
            maker.map_or(source, transform_at)
        };
        let giver = |column: &ColumnRef| match column.kind {
            ColumnKind::Result(index) | ColumnKind::ResultField(index, _) => transform_at(index),
            ColumnKind::Source(_) | ColumnKind::Row | ColumnKind::Field(_) => {
                maker(column.collection)
            }
        };
        let takes = |name: &str, column: &ColumnRef| {
            let taken = Taken {
                name: name.to_owned(),
                column: stage.column_path(column),
            };
            (giver(column), column.collection, taken)
        };
        self.nodes.push(source_node(stage, run));
        for transform in &stage.transforms {
            let params = transform.arguments.iter().zip(&transform.function.params);
            let taken = params.filter_map(|(argument, param)| match argument {
                Argument::Column(column) => Some(takes(&param.name, column)),
                Argument::Literal(_) => None,
            });
            let taken = taken.collect();
            self.nodes.push(transform_node(stage, transform, run));
            self.link(taken, transform.collection, maker(transform.collection));
        }
        for target in &stage.targets {
            let columns = target.spec.columns.iter().zip(&target.columns);
            let taken = columns
                .map(|(column, from)| takes(&column.name, from))
                .collect();
            self.nodes.push(target_node(stage, target, run));
            self.link(taken, target.collection, maker(target.collection));
        }
    }

    /// The edges to the last node: one from each node that it takes columns from, and one from its rows' maker where
    /// no column is of these rows.
    fn link(&mut self, taken: Vec<(usize, usize, Taken)>, rows: usize, maker: usize) {
        let to = self.nodes.len() - 1;
        let mut by_giver: BTreeMap<usize, Vec<Taken>> = BTreeMap::new();
        if taken.iter().all(|(_, collection, _)| *collection != rows) {
            by_giver.insert(maker, Vec::new());
        }
        for (from, _, taken) in taken {
            by_giver.entry(from).or_default().push(taken);
        }
        self.edges.extend(
            by_giver
                .into_iter()
                .map(|(from, takes)| Edge { from, to, takes }),
        );
    }
}

impl RunNote {
    fn of(run: &RunReport) -> Self {
        Self {
            run: run.run,
            started: run.started,
            seconds: run.seconds,
            failures: run.failures,
            interrupted: run.interrupted,
        }
    }
}

fn id(kind: &str, name: &str) -> String {
    format!("{kind}.{name}")
}

fn source_node(stage: &Stage, run: Option<&RunReport>) -> Node {
    let source = &stage.source;
    let counts = run.and_then(|run| run.sources.get(&source.name)).copied();
    let failed = run.map_or(0, |run| failed(stage, run, None));
    let status = match counts {
        None => Status::None,
        Some(_) if failed > 0 => Status::Failed,
        Some(counts) if counts.added + counts.changed + counts.removed > 0 => Status::Worked,
        Some(_) => Status::Unchanged,
    };
    Node {
        id: id("source", &source.name),
        kind: NodeKind::Source,
        name: source.name.clone(),
        does: source.kind.clone(),
        settings: options(&source.options),
        literals: BTreeMap::new(),
        status,
        counts: counts.map(Counts::Source),
        failed,
    }
}

/// How many of the rows that a run lists as failed failed in a transform; or elsewhere, in reading them or in their keys.
fn failed(stage: &Stage, run: &RunReport, name: Option<&str>) -> u64 {
    // The reason of a failure begins with the transform that failed.
    let transform = |reason: &str| {
        let mut names = stage.transforms.iter().map(|transform| &*transform.name);
        names.find(|name| {
            reason
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(": "))
        })
    };
    let rows = run
        .failed
        .iter()
        .filter(|row| row.source == stage.source.name);
    rows.filter(|row| transform(&row.reason) == name).count() as u64
}

fn transform_node(stage: &Stage, transform: &Transform, run: Option<&RunReport>) -> Node {
    let counts = run
        .and_then(|run| run.transforms.get(&transform.name))
        .cloned();
    let failed = run.map_or(0, |run| failed(stage, run, Some(&transform.name)));
    let status = match &counts {
        None => Status::None,
        Some(counts) if counts.failed + failed > 0 => Status::Failed,
        Some(counts) if counts.called > 0 => Status::Worked,
        Some(counts) if counts.reused > 0 => Status::Reused,
        Some(_) => Status::Unchanged,
    };
    let params = transform.arguments.iter().zip(&transform.function.params);
    let literals = params.filter_map(|(argument, param)| match argument {
        Argument::Literal(value) => Some((param.name.clone(), to_wave(value, &param.ty))),
        Argument::Column(_) => None,
    });
    Node {
        id: id("transform", &transform.name),
        kind: NodeKind::Transform,
        name: transform.name.clone(),
        does: format!("{}.{}", transform.plugin, transform.function.short_name()),
        settings: transform_settings(stage, transform),
        literals: literals.collect(),
        status,
        counts: counts.map(Counts::Transform),
        failed,
    }
}

fn transform_settings(stage: &Stage, transform: &Transform) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
    set("each", stage.collections[transform.collection].name.clone());
    let mode = match transform.cache.mode {
        CacheMode::Default => None,
        CacheMode::Recompute => Some("recompute"),
        CacheMode::Disable => Some("disable"),
        CacheMode::Ignore => Some("ignore"),
    };
    if let Some(mode) = mode {
        set("mode", mode.to_owned());
    }
    if let Some(pin) = &transform.cache.pin {
        set("pin", pin.clone());
    }
    if let Some(age) = transform.cache.age_max {
        set("max-age", duration(age));
    }
    let grants = transform.grants.names();
    if !grants.is_empty() {
        set("grants", grants.join(", "));
    }
    settings
}

fn target_node(stage: &Stage, target: &TargetPlan, run: Option<&RunReport>) -> Node {
    let counts = run.and_then(|run| run.targets.get(&target.name)).copied();
    let status = match counts {
        None => Status::None,
        Some(counts) if counts.inserted + counts.updated + counts.deleted > 0 => Status::Worked,
        Some(_) => Status::Unchanged,
    };
    let mut settings = options(&target.spec.options);
    settings.insert(
        "rows".to_owned(),
        stage.collections[target.collection].name.clone(),
    );
    Node {
        id: id("target", &target.name),
        kind: NodeKind::Target,
        name: target.name.clone(),
        does: target.spec.kind.clone(),
        settings,
        literals: BTreeMap::new(),
        status,
        counts: counts.map(Counts::Target),
        failed: 0,
    }
}

/// A URL without the password in it: graphs are shown around.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let shown = match address.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => address.to_owned(),
    };
    let has_password = |part: &&str| part.starts_with("password=");
    let query: Vec<&str> = query
        .split('&')
        .filter(|part| !part.is_empty() && !has_password(part))
        .collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{shown}{mark}{}", query.join("&"))
}

fn options(options: &Options) -> BTreeMap<String, String> {
    let text = |value: &OptionValue| match value {
        OptionValue::Str(text) => without_password(text),
        OptionValue::Int(number) => number.to_string(),
        OptionValue::Bool(flag) => flag.to_string(),
        OptionValue::List(items) => items.join(", "),
    };
    options
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// A duration in the largest unit that it is a whole number of.
fn duration(time: Duration) -> String {
    let ms = time.as_millis();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let whole = units
        .iter()
        .find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{ms} ms"),
        |(unit, name)| format!("{} {name}", ms / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn passwords_are_not_shown() {
        let shown = |url: &str| without_password(url);
        assert_eq!(shown("postgres://me:pass@h:1/x"), "postgres://me@h:1/x");
        assert_eq!(
            shown("postgres://me:p@ss@h/x?a=1&password=p"),
            "postgres://me@h/x?a=1"
        );
        assert_eq!(shown("docs/{path}.md"), "docs/{path}.md");
    }
}
