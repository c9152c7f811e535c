//! From a checked flow and its last run to the graph.

use std::collections::BTreeMap;

use flowstone::RunReport;
use flowstone::core::{
    Argument, CacheMode, ColumnKind, ColumnRef, Fold, FoldKind, Gather, OptionValue, Options, Plan,
    REDUCE, STATE, Stage, StateArgument, TargetPlan, Transform, UNION, format_duration, to_wave,
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
        let mut places: Vec<Place<'_>> = Vec::with_capacity(plan.stages.len());
        for stage in &plan.stages {
            places.push(Place {
                stage,
                source: graph.nodes.len(),
            });
            graph.add(&places, run);
        }
        graph
    }

    /// Adds the last of the stages: its root comes first, then the transforms, in their order.
    fn add(&mut self, places: &[Place<'_>], run: Option<&RunReport>) {
        let Some(here) = places.last() else {
            return;
        };
        let stage = here.stage;
        self.nodes.push(root_node(places, stage, run));
        for origin in stage.source.gather.iter().flat_map(|gather| &gather.from) {
            let from = &places[origin.relation.stage];
            let rows = &from.stage.relations[origin.relation.relation].rows;
            self.link(from.columns(rows), rows.collection, from);
        }
        for transform in &stage.transforms {
            let params = transform.arguments.iter().zip(&transform.function.params);
            let columns = params.filter_map(|(argument, param)| match argument {
                Argument::Column(column) => Some((&*param.name, column)),
                Argument::Literal(_) => None,
            });
            let mut taken = Vec::new();
            let mut looked_up = Vec::new();
            for (name, column) in columns {
                if let ColumnKind::Lookup(lookup) = column.kind {
                    let lookup = &stage.lookups[lookup];
                    taken.extend(lookup.keys.iter().map(|key| here.taken(name, key)));
                    looked_up.push((name, lookup.relation));
                } else {
                    taken.push(here.taken(name, column));
                }
            }
            self.nodes.push(transform_node(stage, transform, run));
            self.link(taken, transform.collection, here);
            for (name, relation) in looked_up {
                let from = &places[relation.stage];
                let rows = &from.stage.relations[relation.relation].rows;
                let found = rows.columns.iter().skip(rows.spec.key.len());
                let found = found.map(|column| from.taken(name, column)).collect();
                self.link(found, rows.collection, from);
            }
        }
        for target in &stage.targets {
            self.nodes.push(target_node(stage, target, run));
            self.link(here.columns(target), target.collection, here);
        }
    }

    /// The edges to the last node: one from each node that it takes columns from, and one from the maker of the rows where no
    /// column is of these.
    fn link(&mut self, taken: Vec<(usize, usize, Taken)>, rows: usize, from: &Place<'_>) {
        let to = self.nodes.len() - 1;
        let mut by_giver: BTreeMap<usize, Vec<Taken>> = BTreeMap::new();
        if taken.iter().all(|(_, collection, _)| *collection != rows) {
            by_giver.insert(from.maker(rows), Vec::new());
        }
        for (from, _, taken) in taken {
            by_giver.entry(from).or_default().push(taken);
        }
        for (from, takes) in by_giver {
            // A step may read the same node in several ways, such as two lookups in one collection.
            let mut edges = self.edges.iter_mut().rev().take_while(|edge| edge.to == to);
            match edges.find(|edge| edge.from == from) {
                Some(edge) => edge.takes.extend(takes),
                None => self.edges.push(Edge { from, to, takes }),
            }
        }
    }
}

/// A stage, and where its nodes are.
struct Place<'p> {
    stage: &'p Stage,
    /// The node of its root. Those of the transforms follow.
    source: usize,
}

impl Place<'_> {
    /// The node that makes the rows of a collection.
    fn maker(&self, collection: usize) -> usize {
        let mut transforms = self.stage.transforms.iter();
        let maker = transforms.position(|transform| transform.makes == Some(collection));
        maker.map_or(self.source, |index| self.source + 1 + index)
    }

    /// What is taken under a name: the node that gives it, the collection whose column it is, and what it is.
    fn taken(&self, name: &str, column: &ColumnRef) -> (usize, usize, Taken) {
        let giver = match column.kind.transform() {
            Some(index) => self.source + 1 + index,
            None => self.maker(column.collection),
        };
        let taken = Taken {
            name: name.to_owned(),
            column: self.stage.column_path(column),
        };
        (giver, column.collection, taken)
    }

    /// What rows that are kept take: the columns of a target or of a relation.
    fn columns(&self, rows: &TargetPlan) -> Vec<(usize, usize, Taken)> {
        let columns = rows.spec.columns.iter().zip(&rows.columns);
        columns
            .map(|(column, from)| self.taken(&column.name, from))
            .collect()
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

fn root_node(places: &[Place<'_>], stage: &Stage, run: Option<&RunReport>) -> Node {
    let source = &stage.source;
    let counts = run.and_then(|run| run.sources.get(&source.name)).copied();
    let failed = run.map_or(0, |run| failed(stage, run, None));
    let status = match counts {
        None => Status::None,
        Some(_) if failed > 0 => Status::Failed,
        Some(counts) if counts.added + counts.changed + counts.removed > 0 => Status::Worked,
        Some(_) => Status::Unchanged,
    };
    let kind = match &*source.kind {
        REDUCE => NodeKind::Reduce,
        UNION => NodeKind::Union,
        STATE => NodeKind::State,
        _ => NodeKind::Source,
    };
    let settings = match &source.gather {
        Some(gather) => gather_settings(places, kind, gather),
        None => options(&source.options),
    };
    let fold = source
        .gather
        .as_ref()
        .and_then(|gather| gather.fold.as_ref());
    Node {
        id: id(kind.name(), &source.name),
        kind,
        name: source.name.clone(),
        does: fold.map_or_else(|| source.kind.clone(), called),
        settings,
        literals: fold.map_or_else(BTreeMap::new, fold_literals),
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
    if let Some(batch) = transform.batch {
        set("batch", format!("{} rows", batch.rows_max));
    }
    if let Some(pin) = &transform.cache.pin {
        set("pin", pin.clone());
    }
    if let Some(age) = transform.cache.age_max {
        set("max-age", format_duration(age));
    }
    let grants = transform.granted_names();
    if !grants.is_empty() {
        set("grants", grants.join(", "));
    }
    settings
}

/// What a flow says of a step that gathers rows.
fn gather_settings(
    places: &[Place<'_>],
    kind: NodeKind,
    gather: &Gather,
) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
    let names: Vec<&str> = gather.from.iter().map(|origin| &*origin.name).collect();
    let from = match kind {
        NodeKind::Reduce => "over",
        NodeKind::State => "each",
        _ => "of",
    };
    set(from, names.join(", "));
    if let Some(origin) = gather.from.first() {
        let relations = &places[origin.relation.stage].stage.relations;
        let spec = &relations[origin.relation.relation].rows.spec;
        let keys: Vec<&str> = (spec.key.iter().map(|&at| &*spec.columns[at].name)).collect();
        if !keys.is_empty() {
            set("by", keys.join(", "));
        }
    }
    if let Some(FoldKind::State { rows_max, .. }) = gather.fold.as_ref().map(|fold| &fold.kind) {
        set("rows", rows_max.to_string());
    }
    settings
}

fn called(fold: &Fold) -> String {
    format!("{}.{}", fold.plugin, fold.function.short_name())
}

fn fold_literals(fold: &Fold) -> BTreeMap<String, String> {
    let FoldKind::State { arguments, .. } = &fold.kind else {
        return BTreeMap::new();
    };
    let params = arguments.iter().zip(&fold.function.params);
    let literals = params.filter_map(|(argument, param)| match argument {
        StateArgument::Literal(value) => Some((param.name.clone(), to_wave(value, &param.ty))),
        StateArgument::State | StateArgument::Members(_) => None,
    });
    literals.collect()
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
