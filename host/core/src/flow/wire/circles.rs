//! The order of stages: each after those whose rows it gathers or looks up. A circle has none, and is shown.

use std::ops::Range;

use super::{Origin, Step, Wiring};
use crate::diagnostic::Diagnostic;
use crate::flow::steps::LookupDecl;

/// That one stage needs what another publishes.
struct Need<'a> {
    /// The root of the stage that publishes.
    from: usize,
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
        let mut left: Vec<usize> = (0..self.collections.len())
            .filter(|&index| self.collections[index].parent.is_none())
            .collect();
        left.sort_by_key(|&root| self.place_of(root).start);
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let ready = left.iter().position(|&root| {
                let mut needs = needs.iter().filter(|need| need.to == root);
                needs.all(|need| !left.contains(&need.from))
            });
            let Some(ready) = ready else {
                return Err(self.circle(&needs, &left));
            };
            order.push(left.remove(ready));
        }
        Ok(order)
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
    fn circle(&self, needs: &[Need<'a>], left: &[usize]) -> Diagnostic {
        let step = |root: usize| {
            let mut into = needs.iter().filter(|need| need.to == root);
            into.find(|need| left.contains(&need.from))
                .expect("a stage that is left over needs one that is left over")
        };
        // Backwards, from what reads to what publishes, until a stage comes up again.
        let mut path: Vec<&Need<'_>> = Vec::new();
        let mut root = left[0];
        let start = loop {
            if let Some(start) = path.iter().position(|need| need.to == root) {
                break start;
            }
            path.push(step(root));
            root = path[path.len() - 1].from;
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
        match &closing.step {
            Reading::Lookup {
                transform,
                each,
                decl,
            } => Diagnostic::at(&decl.within.span, message)
                .label(format!(
                    "transform `{transform}` looks up in `{}`, which hangs on rows of `{}`",
                    decl.within.value,
                    self.stage_name(closing.to)
                ))
                .help(format!(
                    "give those who look up a stage of their own: `[union.NAME]`, `of = [\"{each}\"]`, \
                     and `each = \"NAME\"` for `{transform}`"
                )),
            Reading::Gather(step) => Diagnostic::at(&step.name().span, message)
                .label(format!("`{}` closes it", step.name().value))
                .help("each of these needs the rows of the one before; the first must be a source"),
        }
    }
}
