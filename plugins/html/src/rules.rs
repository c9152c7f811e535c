//! Which open elements a tag ends: WHATWG HTML, section 13.2.6.4.
//!
//! Each function gives the index from which the stack is to be closed.

use crate::stack::{Key, Scope, Stack};
use crate::tags::{CLOSES_P, SCOPED_END, TABLE_PART, Tag};

const HEADINGS: [Tag; 6] = [Tag::H1, Tag::H2, Tag::H3, Tag::H4, Tag::H5, Tag::H6];
const CELLS: [Tag; 3] = [Tag::Td, Tag::Th, Tag::Caption];
/// What a row may stand in, and a cell.
const ROW_PARENTS: [Tag; 4] = [Tag::Table, Tag::Tbody, Tag::Thead, Tag::Tfoot];
const CELL_PARENTS: [Tag; 5] = [Tag::Table, Tag::Tbody, Tag::Thead, Tag::Tfoot, Tag::Tr];

/// What a start tag ends, in this order.
pub(crate) const ENDED_BY_START_TAG: [fn(&Stack, Tag) -> Option<usize>; 3] =
    [ended_by_its_like, ended_paragraph, ended_heading];

/// An element of the same kind, such as the item before.
fn ended_by_its_like(stack: &Stack, tag: Tag) -> Option<usize> {
    match tag {
        Tag::Li => stack.find_tag(Tag::Li, Scope::Item),
        Tag::Dd | Tag::Dt => stack.find_any(&[Tag::Dd, Tag::Dt], Scope::Item),
        Tag::Button => stack.find_tag(Tag::Button, Scope::Default),
        Tag::Input | Tag::Keygen | Tag::Textarea => stack.find_tag(Tag::Select, Scope::Default),
        Tag::A => stack.find_tag(Tag::A, Scope::Special),
        Tag::Rp | Tag::Rt => {
            stack.find_tag(Tag::Ruby, Scope::Default)?;
            innermost(stack, &[Tag::Rp, Tag::Rt])
        }
        Tag::Option | Tag::Optgroup => innermost(stack, &[Tag::Option]),
        Tag::Td | Tag::Th => stack
            .find_any(&CELLS, Scope::Table)
            .or_else(|| above(stack, stack.find_any(&CELL_PARENTS, Scope::Table))),
        Tag::Tr => stack
            .find_tag(Tag::Tr, Scope::Table)
            .or_else(|| stack.find_any(&CELLS, Scope::Table))
            .or_else(|| above(stack, stack.find_any(&ROW_PARENTS, Scope::Table))),
        Tag::Tbody | Tag::Thead | Tag::Tfoot | Tag::Caption => {
            above(stack, stack.find_tag(Tag::Table, Scope::Table))
        }
        // In a table, but in none of its cells: the outer table ends.
        Tag::Table if stack.find_any(&CELLS, Scope::Table).is_none() => {
            stack.find_tag(Tag::Table, Scope::Table)
        }
        _ => None,
    }
}

fn ended_paragraph(stack: &Stack, tag: Tag) -> Option<usize> {
    let ends = tag.has(CLOSES_P) || matches!(tag, Tag::Li | Tag::Dd | Tag::Dt);
    ends.then(|| stack.find_tag(Tag::P, Scope::Button))?
}

fn ended_heading(stack: &Stack, tag: Tag) -> Option<usize> {
    tag.heading_level()
        .and_then(|_| innermost(stack, &HEADINGS))
}

/// What an end tag ends, in HTML.
pub(crate) fn ended_by_end_tag(stack: &Stack, tag: Tag, key: Key) -> Option<usize> {
    match tag {
        Tag::Html | Tag::Head | Tag::Body | Tag::Form | Tag::Br => None,
        Tag::P => stack.find(key, Scope::Button),
        Tag::Li => stack.find(key, Scope::List),
        Tag::Template => stack.find_anywhere(tag),
        _ if tag.heading_level().is_some() => stack.find_any(&HEADINGS, Scope::Default),
        _ if tag == Tag::Table || tag.has(TABLE_PART) => stack.find(key, Scope::Table),
        _ if tag.has(SCOPED_END) => stack.find(key, Scope::Default),
        _ => stack.find(key, Scope::Special),
    }
}

/// The innermost element, if it has one of these tags.
fn innermost(stack: &Stack, tags: &[Tag]) -> Option<usize> {
    let last = stack.len().checked_sub(1)?;
    stack.innermost_is(tags).then_some(last)
}

/// All above an element, if there is something.
fn above(stack: &Stack, element: Option<usize>) -> Option<usize> {
    let next = element? + 1;
    (next < stack.len()).then_some(next)
}
