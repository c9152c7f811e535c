//! Unions: a column of theirs is a column that all their collections have, with the same type.

use super::find::{Ask, Spot, SpotKind, fits};
use super::{Found, Gathering, Wiring};
use crate::flow::gather::GatherColumn;
use crate::types::Type;

/// The column that names the collection which a row comes from.
pub(super) const ORIGIN: &str = "origin";

impl Wiring<'_> {
    pub(super) fn open_union(&mut self, at: usize) {
        let root = self.gathers[at].root;
        let union = self.collections[root].name.clone();
        for feed in 0..self.gathers[at].feeds.len() {
            let collection = self.gathers[at].feeds[feed].collection;
            let name = format!("{union}.{}", self.collections[collection].name);
            let relation = self.add_relation(name, collection, Some(root));
            self.gathers[at].feeds[feed].relation = Some(relation);
        }
    }

    pub(super) fn find_in_union(
        &self,
        union: &Gathering<'_>,
        path: &str,
        ask: Ask<'_>,
    ) -> Found<Spot> {
        let wanted = ask.wanted.cloned();
        let key = (union.root, path.to_owned(), wanted, ask.open);
        if let Some(found) = self.memo.borrow().get(&key) {
            return found.clone();
        }
        let found = self.search_union(union, path, ask);
        self.memo.borrow_mut().insert(key, found.clone());
        found
    }

    fn search_union(&self, union: &Gathering<'_>, path: &str, ask: Ask<'_>) -> Found<Spot> {
        if path == ORIGIN {
            // A source whose columns are not known is not taken to have one of that name.
            let own = Ask {
                wanted: None,
                open: false,
                ..ask
            };
            let mut found = self.find_in_all(union, path, own).into_iter();
            if !found.all(|found| matches!(found, Found::Column(_))) {
                let kind = SpotKind::Gathered(GatherColumn::Origin, path.to_owned());
                return fits(union.root, path, (kind, Type::String), ask.wanted);
            }
        }
        if ask.wanted.is_some() {
            return self.agreed(union, path, ask);
        }
        // The type is the one in which all can give it, be it that only some insist on one.
        let asked = self.only_type_of(union.root, path);
        let offered = self.find_in_all(union, path, ask);
        let offered = offered.into_iter().filter_map(Found::column);
        let mut types: Vec<Type> = Vec::new();
        for ty in asked.into_iter().chain(offered.map(|spot| spot.ty)) {
            if !types.contains(&ty) {
                types.push(ty);
            }
        }
        for ty in &types {
            let wanted = Some(ty);
            let found = self.agreed(union, path, Ask { wanted, ..ask });
            if matches!(found, Found::Column(_)) {
                return found;
            }
        }
        self.agreed(union, path, ask)
    }

    /// What each of the union's collections has under that name. The union's own name means the whole row.
    fn find_in_all(&self, union: &Gathering<'_>, path: &str, ask: Ask<'_>) -> Vec<Found<Spot>> {
        let whole = self.collections[union.root].name == path;
        let feeds = union.feeds.iter().map(|feed| {
            if whole {
                self.find_whole(feed.collection, ask)
            } else {
                self.find_from(feed.collection, path, ask)
            }
        });
        feeds.collect()
    }

    fn agreed(&self, union: &Gathering<'_>, path: &str, ask: Ask<'_>) -> Found<Spot> {
        let found = self.find_in_all(union, path, ask);
        let spots: Option<Vec<Spot>> = found.iter().map(|one| one.clone().column()).collect();
        if let Some(spots) = spots
            && let Some(ty) = spots.first().map(|spot| spot.ty.clone())
            && spots.iter().all(|spot| spot.ty == ty)
        {
            return Found::Column(Spot {
                collection: union.root,
                kind: SpotKind::Asked(path.to_owned(), spots.into()),
                ty,
            });
        }
        if found.iter().all(|one| matches!(one, Found::Nothing)) {
            return Found::Nothing;
        }
        let types: Option<Vec<&Type>> = found.iter().map(type_of).collect();
        match types.as_deref() {
            Some([first, rest @ ..]) if rest.iter().all(|ty| ty == first) => {
                Found::OtherType(path.to_owned(), (*first).clone())
            }
            _ => Found::Uneven(self.difference(union, path, &found)),
        }
    }

    /// Says in which two collections of a union a column differs.
    fn difference(&self, union: &Gathering<'_>, path: &str, found: &[Found<Spot>]) -> String {
        let name = |at: usize| &self.collections[union.feeds[at].collection].name;
        let inner = found.iter().find_map(|one| match one {
            Found::Uneven(how) => Some(how.clone()),
            _ => None,
        });
        if let Some(inner) = inner {
            return inner;
        }
        let typed = |(at, one): (usize, &Found<Spot>)| type_of(one).map(|ty| (at, ty.clone()));
        let Some((here, ty)) = found.iter().enumerate().find_map(typed) else {
            return format!("no column `{path}`");
        };
        let others = found.iter().enumerate().skip(here + 1);
        let other = others.filter_map(typed).find(|(_, other)| *other != ty);
        let missing = found.iter().position(|one| matches!(one, Found::Nothing));
        let union = &self.collections[union.root].name;
        match (missing, other) {
            (Some(missing), _) => format!(
                "`{path}` of union `{union}` is `{ty}` in `{}`, but `{}` has no column `{path}`",
                name(here),
                name(missing)
            ),
            (None, Some((there, other))) => format!(
                "`{path}` of union `{union}` is `{ty}` in `{}`, but `{other}` in `{}`",
                name(here),
                name(there)
            ),
            (None, None) => format!("no column `{path}`"),
        }
    }
}

fn type_of(found: &Found<Spot>) -> Option<&Type> {
    match found {
        Found::Column(spot) => Some(&spot.ty),
        Found::OtherType(_, ty) => Some(ty),
        Found::Uneven(_) | Found::Nothing => None,
    }
}
