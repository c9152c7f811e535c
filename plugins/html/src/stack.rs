//! The open elements, and in constant time whether one is in scope.
//!
//! The standard walks down this stack for nearly every tag, so a page of nested elements costs the square of its size.
//! Here each entry knows the nearest bound of every scope below it, and for each name the topmost entry is known:
//! an element is in a scope when it lies no lower than the bound.

use crate::tags::{BOUND, BUTTON_BOUND, ITEM_PASS, LIST_BOUND, SPECIAL, TABLE_BOUND, Tag};
use std::collections::BTreeMap;

/// How far down an element may lie to be found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    /// "has an element in scope".
    Default,
    /// "in list item scope".
    List,
    /// "in button scope".
    Button,
    /// "in table scope".
    Table,
    /// Not past a special element: what the end tag of an ordinary element may close.
    Special,
    /// As far as a list item start tag looks for an item to close.
    Item,
    /// Not past an HTML element: for end tags in SVG and `MathML`.
    Foreign,
}

const SCOPES: usize = Scope::Foreign as usize + 1;

/// What an element is called: a known tag or the number of another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(usize);

/// An open element. Indices are one too high, so that 0 says none.
#[derive(Clone, Debug, Default)]
struct Open {
    key: usize,
    flags: u16,
    /// The entry with the same key below.
    same: u32,
    /// The nearest bound of each scope, this entry included.
    bounds: [u32; SCOPES],
}

/// The stack of open elements. Flags are the caller's and go with each element.
#[derive(Debug)]
pub(crate) struct Stack {
    open: Vec<Open>,
    /// By key, its topmost entry.
    top: Vec<u32>,
    /// Keys of names that are no known tag.
    names: BTreeMap<Box<[u8]>, usize>,
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self {
            open: Vec::new(),
            top: vec![0; Tag::COUNT],
            names: BTreeMap::new(),
        }
    }

    /// The number of open elements; the element pushed next has this index.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The flags of the innermost element.
    pub(crate) fn flags(&self) -> u16 {
        self.open.last().map_or(0, |open| open.flags)
    }

    /// The key of an element to push.
    pub(crate) fn key(&mut self, tag: Tag, name: &[u8]) -> Key {
        if let Some(key) = self.known_key(tag, name) {
            return key;
        }
        self.names.insert(name.into(), self.top.len());
        self.top.push(0);
        Key(self.top.len() - 1)
    }

    /// The key of an element to look for; none when it was never pushed.
    pub(crate) fn known_key(&self, tag: Tag, name: &[u8]) -> Option<Key> {
        if tag == Tag::Other {
            self.names.get(name).copied().map(Key)
        } else {
            Some(Key(tag as usize))
        }
    }

    /// Opens an HTML element.
    pub(crate) fn push_html(&mut self, key: Key, tag: Tag, flags: u16) {
        let props = tag.props();
        let is = |bits: u32| props & bits != 0;
        let mut bounded = [false; SCOPES];
        bounded[Scope::Default as usize] = is(BOUND);
        bounded[Scope::List as usize] = is(BOUND | LIST_BOUND);
        bounded[Scope::Button as usize] = is(BOUND | BUTTON_BOUND);
        bounded[Scope::Table as usize] = is(TABLE_BOUND);
        bounded[Scope::Special as usize] = is(SPECIAL);
        bounded[Scope::Item as usize] = is(SPECIAL) && !is(ITEM_PASS);
        bounded[Scope::Foreign as usize] = true;
        self.push(key, flags, bounded);
    }

    /// Opens an SVG or `MathML` element. Those in which HTML may stand bound all scopes but that of tables.
    pub(crate) fn push_foreign(&mut self, key: Key, tag: Tag, flags: u16) {
        let mut bounded = [tag.integrates_html(); SCOPES];
        bounded[Scope::Table as usize] = false;
        bounded[Scope::Foreign as usize] = false;
        self.push(key, flags, bounded);
    }

    fn push(&mut self, Key(key): Key, flags: u16, bounded: [bool; SCOPES]) {
        let here = self.open.len() as u32 + 1;
        let mut bounds = self.open.last().map_or([0; SCOPES], |open| open.bounds);
        for (bound, bounded) in bounds.iter_mut().zip(bounded) {
            if bounded {
                *bound = here;
            }
        }
        let same = std::mem::replace(&mut self.top[key], here);
        self.open.push(Open {
            key,
            flags,
            same,
            bounds,
        });
    }

    /// Closes the innermost element and gives its flags.
    pub(crate) fn pop(&mut self) -> Option<u16> {
        let open = self.open.pop()?;
        self.top[open.key] = open.same;
        Some(open.flags)
    }

    /// The lowest index in a scope.
    pub(crate) fn bound(&self, scope: Scope) -> usize {
        self.open.last().map_or(0, |open| {
            open.bounds[scope as usize].saturating_sub(1) as usize
        })
    }

    /// The index of the topmost element of that name in that scope.
    pub(crate) fn find(&self, Key(key): Key, scope: Scope) -> Option<usize> {
        let top = self.top[key];
        let bound = self
            .open
            .last()
            .map_or(0, |open| open.bounds[scope as usize]);
        let found = match scope {
            Scope::Foreign => top > bound,
            _ => top >= bound && top > 0,
        };
        found.then(|| top as usize - 1)
    }

    /// The same for a known tag.
    pub(crate) fn find_tag(&self, tag: Tag, scope: Scope) -> Option<usize> {
        self.find(Key(tag as usize), scope)
    }

    /// The index of the topmost element with one of these tags in that scope.
    pub(crate) fn find_any(&self, tags: &[Tag], scope: Scope) -> Option<usize> {
        tags.iter()
            .filter_map(|&tag| self.find_tag(tag, scope))
            .max()
    }

    /// Whether the innermost element has one of these tags.
    pub(crate) fn innermost_is(&self, tags: &[Tag]) -> bool {
        self.open
            .last()
            .is_some_and(|open| tags.iter().any(|&tag| tag as usize == open.key))
    }

    /// The index of the topmost element of that tag, whatever the scope.
    pub(crate) fn find_anywhere(&self, tag: Tag) -> Option<usize> {
        (self.top[tag as usize] as usize).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scope, Stack};
    use crate::tags::Tag;

    fn stack_of(names: &[&str]) -> Stack {
        let mut stack = Stack::new();
        for name in names {
            let tag = Tag::of(name.as_bytes());
            let key = stack.key(tag, name.as_bytes());
            stack.push_html(key, tag, 0);
        }
        stack
    }

    #[test]
    fn scopes_end_at_their_bounds() {
        let stack = stack_of(&["p", "ul", "li", "button", "div", "span"]);
        assert_eq!(stack.find_tag(Tag::P, Scope::Default), Some(0));
        assert_eq!(stack.find_tag(Tag::P, Scope::Button), None);
        assert_eq!(stack.find_tag(Tag::Li, Scope::List), Some(2));
        assert_eq!(stack.find_tag(Tag::Span, Scope::Special), Some(5));
        assert_eq!(stack.find_tag(Tag::Div, Scope::Special), Some(4));
        assert_eq!(stack.find_tag(Tag::Button, Scope::Special), None);
        let table = stack_of(&["p", "table", "tr", "td"]);
        assert_eq!(table.find_tag(Tag::P, Scope::Default), None);
        assert_eq!(table.find_tag(Tag::Tr, Scope::Table), Some(2));
        assert_eq!(
            table.find_any(&[Tag::Tr, Tag::Td, Tag::Th], Scope::Table),
            Some(3)
        );
    }

    #[test]
    fn an_item_is_found_past_div_but_not_past_a_list() {
        assert_eq!(
            stack_of(&["li", "div", "p"]).find_tag(Tag::Li, Scope::Item),
            Some(0)
        );
        assert_eq!(stack_of(&["li", "ul"]).find_tag(Tag::Li, Scope::Item), None);
    }

    #[test]
    fn popping_uncovers_what_lay_below() {
        let mut stack = stack_of(&["x-a", "div", "x-a"]);
        let key = stack.known_key(Tag::Other, b"x-a").unwrap();
        assert_eq!(stack.find(key, Scope::Special), Some(2));
        stack.pop();
        assert_eq!(stack.find(key, Scope::Special), None);
        stack.pop();
        assert_eq!(stack.find(key, Scope::Special), Some(0));
        stack.pop();
        assert_eq!((stack.find(key, Scope::Special), stack.len()), (None, 0));
        assert_eq!(stack.pop(), None);
        assert_eq!(stack.known_key(Tag::Other, b"x-b"), None);
    }
}
