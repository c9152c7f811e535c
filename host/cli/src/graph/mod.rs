//! A flow as a graph: what reads from what, and what the last run did with each part. One model, three languages.
//!
//! ```text
//! plan, last run ── flow ──> Graph ──┬── dot      for Graphviz
//!                                    ├── mermaid  for pages that know Mermaid
//!                                    └── svg      a picture, placed by `layout`
//! ```

mod dot;
mod escape;
mod flow;
mod layout;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use flowstone::core::RunId;
use flowstone::{SourceCounts, TargetCounts, TransformCounts};
use serde::Serialize;

pub(crate) use dot::{Dot, dot};
pub(crate) use mermaid::mermaid;
pub(crate) use svg::svg;

use crate::table::{count, seconds};
use crate::when::utc;

/// A flow as a graph.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Graph {
    /// The flow's name.
    pub(crate) flow: String,
    /// The run whose outcome is shown; none before the first one.
    pub(crate) run: Option<RunNote>,
    /// The sources, steps and targets. What reads stands after what it reads.
    pub(crate) nodes: Vec<Node>,
    /// What reads from what.
    pub(crate) edges: Vec<Edge>,
}

/// The run whose outcome a graph shows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunNote {
    /// Its number.
    pub(crate) run: RunId,
    /// When it began, in seconds since 1970.
    pub(crate) started: u64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// How many rows were failed at its end.
    pub(crate) failures: u64,
    /// Whether it was interrupted.
    pub(crate) interrupted: bool,
}

/// A part of a flow.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    /// Names it in the graph: the kind and the name.
    pub(crate) id: String,
    /// What it is.
    pub(crate) kind: NodeKind,
    /// Its name in the flow.
    pub(crate) name: String,
    /// What does the work: the kind of a source or target, the function of a step.
    pub(crate) does: String,
    /// What the flow says of it, as text: `each`, `path`, `pin` and so on.
    pub(crate) settings: BTreeMap<String, String>,
    /// The literal arguments of a transform, in WAVE text.
    pub(crate) literals: BTreeMap<String, String>,
    /// What the run came to here, in a word.
    pub(crate) status: Status,
    /// And in numbers.
    pub(crate) counts: Option<Counts>,
    /// How many of the failed rows that the run lists failed here, also where that was in an earlier run.
    pub(crate) failed: u64,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeKind {
    /// A source and the collection that it makes.
    Source,
    /// A reduce: the groups of a collection, and what is combined of them.
    Reduce,
    /// A union of collections.
    Union,
    /// A transform with state, and its collection.
    State,
    /// A transform, and the collection that it makes, if it does.
    Transform,
    /// A target.
    Target,
}

/// What the last run did with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// Nothing is known: there was no run, or the node was not in it.
    None,
    /// There was nothing to do.
    Unchanged,
    /// All results were remembered.
    Reused,
    /// It had work to do: rows were read, calls made, rows written.
    Worked,
    /// Rows failed here.
    Failed,
}

/// What a run counted.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Counts {
    /// Of a source.
    Source(SourceCounts),
    /// Of a transform.
    Transform(TransformCounts),
    /// Of a target.
    Target(TargetCounts),
}

/// What one node reads of another.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Edge {
    /// The node that gives, by position.
    pub(crate) from: usize,
    /// The node that takes, by position.
    pub(crate) to: usize,
    /// The arguments or columns that it takes; none where it only takes one turn per row.
    pub(crate) takes: Vec<Taken>,
}

/// An argument of a transform or a column of a target, and the column that it is filled from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Taken {
    /// The parameter or the target's column.
    pub(crate) name: String,
    /// The column as a flow file may name it.
    pub(crate) column: String,
}

/// So many literals and settings are shown in a box.
const FACTS_MAX: usize = 6;

impl NodeKind {
    /// Its name in `--json`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            NodeKind::Source => "source",
            NodeKind::Reduce => "reduce",
            NodeKind::Union => "union",
            NodeKind::State => "state",
            NodeKind::Transform => "transform",
            NodeKind::Target => "target",
        }
    }
}

impl Status {
    /// The colours of a box and of its frame on a light ground, in the languages that know only one.
    pub(crate) fn colors(self) -> (&'static str, &'static str) {
        match self {
            Status::None => ("#f6f8fa", "#8c959f"),
            Status::Unchanged | Status::Reused => ("#dafbe1", "#1a7f37"),
            Status::Worked => ("#ddf4ff", "#0969da"),
            Status::Failed => ("#ffebe9", "#cf222e"),
        }
    }

    /// Its name in `--json`, and the class that gives it its colour.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::None => "none",
            Status::Unchanged => "unchanged",
            Status::Reused => "reused",
            Status::Worked => "worked",
            Status::Failed => "failed",
        }
    }
}

impl Node {
    /// What kind of thing it is and what does the work, in one line.
    pub(crate) fn subtitle(&self) -> String {
        match self.kind {
            // A step that calls nothing does what it is.
            NodeKind::Reduce | NodeKind::Union if self.does == self.kind.name() => {
                self.does.clone()
            }
            NodeKind::Source | NodeKind::Reduce | NodeKind::Union | NodeKind::State => {
                format!("{} · {}", self.kind.name(), self.does)
            }
            NodeKind::Transform => self.does.clone(),
            NodeKind::Target => format!("target · {}", self.does),
        }
    }

    /// All there is to say in a box, line by line; where the flow says very much, not all of that.
    pub(crate) fn lines(&self) -> Vec<String> {
        let facts: Vec<String> = self.facts().collect();
        let hidden = facts.len().saturating_sub(FACTS_MAX);
        // The line that says how many are hidden takes the place of one.
        let hidden = if hidden > 0 { hidden + 1 } else { 0 };
        let shown = facts.len() - hidden;
        let mut lines = vec![self.name.clone(), self.subtitle()];
        lines.extend(facts.into_iter().take(shown));
        if hidden > 0 {
            lines.push(format!("… {hidden} more"));
        }
        lines.extend(self.outcome());
        lines
    }

    /// The literals and settings, one per line.
    pub(crate) fn facts(&self) -> impl Iterator<Item = String> {
        let literals = self
            .literals
            .iter()
            .map(|(name, value)| format!("{name} = {value}"));
        let settings = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name} {value}"));
        literals.chain(settings)
    }

    /// What the run came to here, in words; nothing where nothing is known.
    pub(crate) fn outcome(&self) -> Option<String> {
        let counts = self.counts.as_ref()?;
        let mut words: Vec<String> = Vec::new();
        if let Counts::Source(counts) = counts {
            words.push(count(counts.rows, "row"));
        }
        let changes: Vec<String> = counts
            .changes()
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        if changes.is_empty() && self.failed == 0 {
            words.push("unchanged".to_owned());
        }
        words.extend(changes);
        match counts {
            Counts::Transform(counts) if counts.failed > 0 => {}
            _ if self.failed > 0 => words.push(format!("{} failed", self.failed)),
            _ => {}
        }
        Some(words.join(" · "))
    }
}

impl Counts {
    /// What a person wants to know of where there is any.
    fn changes(&self) -> [(u64, &'static str); 3] {
        match self {
            Counts::Source(counts) => [
                (counts.added, "new"),
                (counts.changed, "changed"),
                (counts.removed, "gone"),
            ],
            Counts::Transform(counts) => [
                (counts.called, "called"),
                (counts.reused, "reused"),
                (counts.failed, "failed"),
            ],
            Counts::Target(counts) => [
                (counts.inserted, "inserted"),
                (counts.updated, "updated"),
                (counts.deleted, "deleted"),
            ],
        }
    }
}

impl Graph {
    /// What the picture is of, in one line.
    pub(crate) fn title(&self) -> String {
        let run = self.run.as_ref().map(RunNote::line);
        std::iter::once(self.flow.clone())
            .chain(run)
            .collect::<Vec<_>>()
            .join(" · ")
    }
}

impl Edge {
    /// What is taken, each in a word or two: `text`, or `heading ← path` where the names differ.
    pub(crate) fn labels(&self, from: &Node) -> Vec<String> {
        let short = |taken: &Taken| {
            let column = taken.column.strip_prefix(&from.name);
            let column = column.and_then(|rest| rest.strip_prefix('.'));
            let column = column.unwrap_or(&taken.column);
            if taken.name == column {
                taken.name.clone()
            } else {
                format!("{} ← {column}", taken.name)
            }
        };
        self.takes.iter().map(short).collect()
    }
}

impl RunNote {
    /// The run in one line.
    fn line(&self) -> String {
        let mut words = vec![format!("run {}", self.run)];
        words.push(utc(self.started));
        // A run that was killed never came to say how long it took.
        let is_cut_off = self.interrupted && self.seconds == 0.0;
        if is_cut_off {
            words.push("cut off".to_owned());
        } else {
            words.push(seconds(self.seconds));
        }
        if self.failures > 0 {
            words.push(format!("{} failed", count(self.failures, "row")));
        }
        if self.interrupted && !is_cut_off {
            words.push("interrupted".to_owned());
        }
        words.join(" · ")
    }
}
