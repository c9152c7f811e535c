//! Root collections: one per source, reduce, union and transform with state, and what each of these is made of.

use std::collections::BTreeMap;

use super::{Feed, Gathering, Origin, Role, Rows, Step, Wiring, option_fault};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::declaration::SourceDecl;

impl<'a> Wiring<'a> {
    /// Refuses names that two things share.
    pub(super) fn check_names(&self, errors: &mut Vec<Diagnostic>) {
        let file = self.file;
        let sources = file.sources.iter().map(|decl| (&decl.name, "source"));
        let transforms = file.transforms.iter().map(|decl| (&decl.name, "transform"));
        let reduces = file.reduces.iter().map(|decl| (&decl.call.name, "reduce"));
        let unions = file.unions.iter().map(|decl| (&decl.name, "union"));
        let mut seen = BTreeMap::new();
        for (name, what) in sources.chain(transforms).chain(reduces).chain(unions) {
            if let Some(other) = seen.insert(&name.value, what) {
                let message = format!("`{}` is the name of a {other} and of a {what}", name.value);
                errors.push(Diagnostic::at(&name.span, message).help("rename one of them"));
            }
        }
    }

    pub(super) fn add_roots(&mut self, errors: &mut Vec<Diagnostic>) {
        let file = self.file;
        for source in &file.sources {
            self.check_source(source, errors);
            self.add_root(source.name.value.clone(), Origin::Source(source));
        }
        for reduce in &file.reduces {
            let at = self.add_gathering(Step::Reduce(reduce));
            let role = match reduce.combine {
                None => Role::Group(at),
                Some(_) => Role::Member,
            };
            let mut node = self.node(&reduce.call, role, errors);
            if role == Role::Group(at) {
                node.collection = Some(self.gathers[at].root);
            }
            let gathering = &mut self.gathers[at];
            gathering.at_fault = node.result.is_none();
            gathering.node = Some(self.nodes.len());
            self.nodes.push(node);
            if let Some(combine) = &reduce.combine {
                self.add_combine(at, combine, errors);
            }
        }
        for union in &file.unions {
            self.add_gathering(Step::Union(union));
        }
        for decl in &file.transforms {
            if decl.state.is_some() {
                let at = self.add_gathering(Step::State(decl));
                self.add_state(at, decl, errors);
            }
        }
    }

    fn check_source(&self, source: &SourceDecl, errors: &mut Vec<Diagnostic>) {
        let kind = &source.kind;
        if self.connectors.source_columns(&kind.value).is_none() {
            let help = suggest(&kind.value, self.connectors.source_kinds().iter().copied());
            let message = format!("there is no source of kind `{}`", kind.value);
            errors.push(Diagnostic::at(&kind.span, message).help(help));
        } else if let Err(error) = self.connectors.check_source(&kind.value, &source.options) {
            errors.push(option_fault(&source.name, &source.option_spans, error));
        }
    }

    fn add_root(&mut self, name: String, origin: Origin<'a>) {
        self.collections.push(Rows {
            name,
            parent: None,
            row: None,
            origin: Some(origin),
            columns: Vec::new(),
            gathered: Vec::new(),
        });
    }

    fn add_gathering(&mut self, step: Step<'a>) -> usize {
        let at = self.gathers.len();
        let name = match step {
            // The collection that the flow names is that of the rows which the results hold.
            Step::Reduce(decl) if decl.call.rows => format!("groups of {}", decl.call.name.value),
            _ => step.name().value.clone(),
        };
        self.gathers.push(Gathering {
            step,
            root: self.collections.len(),
            feeds: Vec::new(),
            keys: Vec::new(),
            node: None,
            fold: None,
            at_fault: false,
        });
        self.add_root(name, Origin::Gather(at));
        at
    }

    /// Finds the collections that reduces, unions and transforms with state name.
    pub(super) fn find_feeds(&mut self, errors: &mut Vec<Diagnostic>) {
        for at in 0..self.gathers.len() {
            let step = self.gathers[at].step;
            let mut feeds: Vec<usize> = Vec::new();
            for name in step.feeds() {
                match self.collection(&name.value) {
                    Some(collection) if feeds.contains(&collection) => {
                        let owner = &step.name().value;
                        let message = format!("union `{owner}` has `{}` twice", name.value);
                        errors.push(
                            Diagnostic::at(&name.span, message)
                                .help("each row of it would be there twice: name it once"),
                        );
                    }
                    Some(collection) => feeds.push(collection),
                    None => {
                        errors.extend(self.no_collection(name));
                        self.gathers[at].at_fault = true;
                    }
                }
            }
            // Gathered rows are listed in the order of their origins' names.
            feeds.sort_by(|&a, &b| self.collections[a].name.cmp(&self.collections[b].name));
            if let Some(node) = self.gathers[at].node
                && self.nodes[node].role == Role::Member
            {
                self.nodes[node].collection = feeds.first().copied();
            }
            self.gathers[at].feeds = feeds
                .into_iter()
                .map(|collection| Feed {
                    collection,
                    relation: None,
                })
                .collect();
        }
    }
}
