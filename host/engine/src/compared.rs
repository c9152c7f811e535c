//! Two values side by side: as WAVE text, cut to what a person reads, around the place where they first differ.

use flowstone_core::{Type, Value, format_size, printable, to_wave};

use crate::answer::row;

/// So many bytes of values are turned into text; of larger ones only the part that differs.
const WHOLE_BYTES_MAX: usize = 256 << 10;

/// So many characters that are equal are shown before those that are not.
const BEFORE_MAX: usize = 60;

/// So many characters are shown from the first one that differs on.
const AFTER_MAX: usize = 120;

/// Two values or texts, as far as they are worth showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Which part of the values is shown, such as `[3].text`; empty where it is the whole.
    pub part: String,
    /// The first.
    pub first: String,
    /// The second.
    pub second: String,
    /// How many characters of both are equal.
    pub equal_characters: usize,
}

impl Compared {
    /// Two values of a type.
    pub fn values(first: &Value, second: &Value, ty: &Type) -> Self {
        let mut part = String::new();
        let (a, b, ty) = narrow((first.clone(), second.clone(), ty.clone()), &mut part);
        Self {
            part,
            ..Self::texts(&text(&a, &ty), &text(&b, &ty))
        }
    }

    /// Two texts.
    pub fn texts(first: &str, second: &str) -> Self {
        let (first, second, equal_characters) = window(first, second);
        Self {
            part: String::new(),
            first,
            second,
            equal_characters,
        }
    }
}

/// A value as WAVE text, where it is not too large to be shown.
pub(crate) fn text(value: &Value, ty: &Type) -> String {
    match value {
        // Parts that only one of the two has: their number says it.
        Value::List(items) if value.size() > WHOLE_BYTES_MAX => {
            format!("a list of {} elements", items.len())
        }
        value if value.size() > WHOLE_BYTES_MAX => {
            format!("a value of {}", format_size(value.size() as u64))
        }
        value => to_wave(value, ty),
    }
}

/// While two values are too large to be shown, goes into their first part that differs; `part` takes the way there.
fn narrow((mut a, mut b, mut ty): (Value, Value, Type), part: &mut String) -> (Value, Value, Type) {
    while a.size().max(b.size()) > WHOLE_BYTES_MAX {
        if let (Value::Str(x), Value::Str(y)) = (&a, &b) {
            let (x, y) = clip(x, y);
            return (Value::str(x), Value::str(y), ty);
        }
        let Some((name, inner)) = first_other(&a, &b, &ty) else {
            break;
        };
        part.push_str(&name);
        (a, b, ty) = inner;
    }
    (a, b, ty)
}

/// The parts of two long texts around the first place where they differ: more of them than is shown.
fn clip<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let equal = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let from = equal.saturating_sub(8 * BEFORE_MAX);
    let cut = |text: &'a str| {
        let end = equal.saturating_add(8 * AFTER_MAX).min(text.len());
        &text[text.floor_char_boundary(from)..text.floor_char_boundary(end)]
    };
    (cut(a), cut(b))
}

/// The first part of two values that differs; none where one has a part that the other has not, or they have no parts.
fn first_other(a: &Value, b: &Value, ty: &Type) -> Option<(String, (Value, Value, Type))> {
    let fields = |a: &[Value], b: &[Value]| {
        let other = a.iter().zip(b).position(|(a, b)| a != b)?;
        Some((other, a[other].clone(), b[other].clone()))
    };
    match (a, b, ty) {
        (Value::Record(a), Value::Record(b), Type::Record(types)) => {
            let (at, a, b) = fields(a, b)?;
            let field = types.get(at)?;
            Some((format!(".{}", field.name), (a, b, field.ty.clone())))
        }
        (Value::Tuple(a), Value::Tuple(b), Type::Tuple(types)) => {
            let (at, a, b) = fields(a, b)?;
            Some((format!(".{at}"), (a, b, types.get(at)?.clone())))
        }
        (Value::Variant(a, Some(x)), Value::Variant(b, Some(y)), Type::Variant(cases))
            if a == b =>
        {
            let case = cases.get(*a as usize)?;
            let inner = ((**x).clone(), (**y).clone(), case.ty.clone()?);
            Some((format!(".{}", case.name), inner))
        }
        (Value::Option(Some(x)), Value::Option(Some(y)), Type::Option(inner)) => {
            let inner = ((**x).clone(), (**y).clone(), (**inner).clone());
            Some((".some".to_owned(), inner))
        }
        (_, _, Type::List(element)) => {
            let mut pairs = (0..).map_while(|at| Some((at, row(a, ty, at)?, row(b, ty, at)?)));
            let (at, a, b) = pairs.find(|(_, a, b)| a != b)?;
            Some((format!("[{at}]"), (a, b, (**element).clone())))
        }
        _ => None,
    }
}

/// The two texts around the first place where they differ, and how many characters are equal before it.
fn window(a: &str, b: &str) -> (String, String, usize) {
    let same = a.char_indices().zip(b.chars());
    let equal = same.take_while(|((_, a), b)| a == b).count();
    let at = a.char_indices().nth(equal).map_or(a.len(), |(at, _)| at);
    let from = a[..at].char_indices().rev().nth(BEFORE_MAX - 1);
    let from = from.map_or(0, |(from, _)| from);
    let mut before = printable(&a[from..at], &[]);
    if from > 0 {
        before.insert(0, '…');
    }
    let after = |rest: &str| match rest.char_indices().nth(AFTER_MAX) {
        Some((end, _)) => printable(&rest[..end], &[]) + "…",
        None => printable(rest, &[]),
    };
    // Up to there both texts are the same bytes.
    let shown = |text: &str| before.clone() + &after(&text[at..]);
    (shown(a), shown(b), before.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_shown_whole() {
        assert_eq!(
            window("{n: 12}", "{n: 13}"),
            ("{n: 12}".to_owned(), "{n: 13}".to_owned(), 5)
        );
        assert_eq!(window("ä", "äö"), ("ä".to_owned(), "äö".to_owned(), 1));
        assert_eq!(window("x", "y"), ("x".to_owned(), "y".to_owned(), 0));
    }

    #[test]
    fn long_texts_are_cut_around_the_place_where_they_differ() {
        let text = |word: &str| format!("{}{word}{}", "ü".repeat(500), "z".repeat(500));
        let (a, b, equal) = window(&text("one"), &text("two"));
        assert!(a.starts_with("…ü") && a.ends_with("z…"), "{a}");
        assert_eq!(a.chars().count(), 1 + BEFORE_MAX + AFTER_MAX + 1);
        assert_eq!(equal, 1 + BEFORE_MAX);
        assert_eq!(a.chars().nth(equal), Some('o'));
        assert_eq!(b.chars().nth(equal), Some('t'));
    }

    #[test]
    fn what_could_trick_a_terminal_is_escaped() {
        let (a, b, equal) = window("\u{1b}a", "\u{1b}b");
        assert_eq!((&*a, &*b), ("\\u{1b}a", "\\u{1b}b"));
        assert_eq!(a.chars().nth(equal), Some('a'));
    }

    #[test]
    fn long_texts_are_clipped_before_they_are_turned_into_wave() {
        let long =
            |word: &str| Value::str(format!("{}{word}{}", "ü".repeat(500_000), "z".repeat(9)));
        let mut part = String::new();
        let (a, b, ty) = narrow((long("one"), long("two"), Type::String), &mut part);
        assert!(a.size() < 4096 && b.size() < 4096);
        let (a, b, equal) = window(&text(&a, &ty), &text(&b, &ty));
        assert!(a.starts_with("…ü") && a.ends_with("onezzzzzzzzz\""), "{a}");
        assert_eq!(b.chars().nth(equal), Some('t'));
    }

    #[test]
    fn of_large_values_the_part_that_differs_is_shown() {
        let ty = Type::list(Type::record([("id", Type::U32), ("text", Type::String)]));
        let record = |id: u32, text: &str| {
            let text = format!("{text}{}", "x".repeat(1000));
            Value::Record([Value::U32(id), Value::str(text)].into())
        };
        let list = |word: &str| {
            let items = (0..1000).map(|id| record(id, if id == 700 { word } else { "same" }));
            Value::List(items.collect())
        };
        let mut part = String::new();
        let (a, _, inner) = narrow((list("one"), list("two"), ty.clone()), &mut part);
        assert_eq!(part, "[700]");
        assert!(text(&a, &inner).starts_with("{id: 700, text: \"one"));
        let longer = Value::List(vec![record(1, "a"); 400].into());
        let shorter = Value::List(vec![record(1, "a"); 399].into());
        let mut part = String::new();
        let (a, b, inner) = narrow((longer, shorter, ty), &mut part);
        assert_eq!(part, "");
        assert_eq!(text(&a, &inner), "a list of 400 elements");
        assert_eq!(text(&b, &inner), "a list of 399 elements");
        let packed =
            |last: u8| Value::Packed([vec![0; 400_000], vec![last, 0, 0, 0]].concat().into());
        let mut part = String::new();
        let numbers = Type::list(Type::U32);
        let (a, b, inner) = narrow((packed(1), packed(2), numbers), &mut part);
        assert_eq!((&*part, a, b), ("[100000]", Value::U32(1), Value::U32(2)));
        assert_eq!(inner, Type::U32);
    }
}
