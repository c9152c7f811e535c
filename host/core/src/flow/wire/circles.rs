//! The order of stages: each after those whose rows it gathers or looks up. A circle has none, and is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Origin, Step, Wiring};
use crate::diagnostic::Diagnostic;
use crate::flow::steps::LookupDecl;

/// The most steps that stand between a source and a stage. A column is followed through all of them.
const DEPTH_MAX: usize = 100;

/// That one stage needs what another publishes.
struct Need<'a> {
    /// The root of the stage that publishes.
    from: usize,
    /// The collection whose rows it publishes.
    read: usize,
    /// The root of the stage that reads.
    to: usize,
    step: Reading<'a>,
}

enum Reading<'a> {
    Gather(Step<'a>),
    Lookup {
        transform: &'a str,
        /// The collection whose rows look something up.
        each: String,
        decl: &'a LookupDecl,
    },
}

impl<'a> Wiring<'a> {
    /// The roots in the order in which their stages run: that of the file, where there is a choice.
    pub(super) fn order_of_stages(&self) -> Result<Vec<usize>, Diagnostic> {
        let needs = self.needs();
        let count = self.collections.len();
        let roots = (0..count).filter(|&index| self.collections[index].parent.is_none());
        let place = |root: usize| (self.place_of(root).start, root);
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut waits_for = vec![0; count];
        for need in &needs {
            readers[need.from].push(need.to);
            waits_for[need.to] += 1;
        }
        let mut left: BTreeSet<usize> = roots.collect();
        let first = left.iter().copied().filter(|&root| waits_for[root] == 0);
        let mut ready: BTreeSet<(usize, usize)> = first.map(place).collect();
        let mut depths = vec![0; count];
        let mut order = Vec::with_capacity(left.len());
        while let Some((_, root)) = ready.pop_first() {
            left.remove(&root);
            order.push(root);
            for &reader in &readers[root] {
                depths[reader] = depths[reader].max(depths[root] + 1);
                if depths[reader] > DEPTH_MAX {
                    return Err(self.too_deep(reader));
                }
                waits_for[reader] -= 1;
                if waits_for[reader] == 0 {
                    ready.insert(place(reader));
                }
            }
        }
        match left.first() {
            Some(&start) => Err(self.circle(&needs, start, &left)),
            None => Ok(order),
        }
    }

    fn too_deep(&self, root: usize) -> Diagnostic {
        let message = format!(
            "`{}` comes of more than {DEPTH_MAX} steps, each over rows of the one before",
            self.stage_name(root)
        );
        Diagnostic::at(&self.place_of(root), message)
            .help("write what some of them do as one function, or split the flow")
    }

    /// Where a root stands in the flow file.
    fn place_of(&self, root: usize) -> Range<usize> {
        match self.collections[root].origin {
            Some(Origin::Source(decl)) => decl.name.span.clone(),
            Some(Origin::Gather(at)) => self.gathers[at].step.name().span.clone(),
            None => 0..0,
        }
    }

    /// The name that a root's stage goes by.
    pub(super) fn stage_name(&self, root: usize) -> &str {
        match self.gathering(root) {
            Some(gathering) => &gathering.step.name().value,
            None => &self.collections[root].name,
        }
    }

    fn needs(&self) -> Vec<Need<'a>> {
        let mut needs = Vec::new();
        for gathering in &self.gathers {
            for feed in &gathering.feeds {
                needs.push(Need {
                    from: self.root(feed.collection),
                    read: feed.collection,
                    to: gathering.root,
                    step: Reading::Gather(gathering.step),
                });
            }
        }
        for node in &self.nodes {
            let Some(collection) = node.collection else {
                continue;
            };
            for decl in &node.decl.lookups {
                let Some(within) = self.collection(&decl.within.value) else {
                    continue;
                };
                needs.push(Need {
                    from: self.root(within),
                    read: within,
                    to: self.root(collection),
                    step: Reading::Lookup {
                        transform: &node.decl.name.value,
                        each: self.collections[collection].name.clone(),
                        decl,
                    },
                });
            }
        }
        needs
    }

    /// Tells of a circle among the stages that are `left`: each of them needs another one of them.
    fn circle(&self, needs: &[Need<'a>], start: usize, left: &BTreeSet<usize>) -> Diagnostic {
        let left_over = needs.iter().filter(|need| left.contains(&need.from));
        let steps: BTreeMap<usize, &Need<'a>> = left_over.map(|need| (need.to, need)).collect();
        // Backwards, from what reads to what publishes, until a stage comes up again: none of those that are left over was
        // ready, so each of them needs another.
        let mut path: Vec<&Need<'_>> = Vec::new();
        let mut root = start;
        let start = loop {
            if let Some(start) = path.iter().position(|need| need.to == root) {
                break start;
            }
            let step = steps[&root];
            path.push(step);
            root = step.from;
        };
        path.drain(..start);
        path.reverse();
        // A lookup, if there is one, is what closes the circle: it can be moved to a stage of its own.
        let lookup = path
            .iter()
            .rposition(|need| matches!(need.step, Reading::Lookup { .. }));
        if let Some(position) = lookup {
            let count = path.len();
            path.rotate_left((position + 1) % count);
        }
        let closing = path[path.len() - 1];
        let mut names = vec![self.stage_name(path[0].from)];
        names.extend(path.iter().map(|need| self.stage_name(need.to)));
        let message = format!(
            "collections depend on each other in a circle: {}",
            names.join(" -> ")
        );
        self.advise(closing, message)
    }

    fn advise(&self, closing: &Need<'_>, message: String) -> Diagnostic {
        let read = &self.collections[closing.read].name;
        match &closing.step {
            Reading::Lookup {
                transform,
                each,
                decl,
            } => Diagnostic::at(&decl.within.span, message)
                .label(format!(
                    "transform `{transform}` looks up in `{read}` for rows of `{each}`"
                ))
                .help(format!(
                    "rows cannot look up what comes of themselves; give those who look up a stage of their own: \
                     `[union.NAME]`, `of = [\"{each}\"]`, and `each = \"NAME\"` for `{transform}`"
                )),
            Reading::Gather(step) => Diagnostic::at(&step.name().span, message)
                .label(format!("{} `{}` reads rows of `{read}`", step.noun(), step.name().value))
                .help("each of these needs the rows of the one before; the first must be a source"),
        }
    }
}
