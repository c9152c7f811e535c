//! Functions over every type that the SDK maps, each giving back what it got in some other form.

// What has no comment is to come through without one, and the types are to be hard ones.
#![allow(
    missing_docs,
    clippy::many_single_char_names,
    clippy::missing_errors_doc,
    clippy::type_complexity
)]

mod file;

/// Every type there is.
#[flowstone_sdk::plugin(package = "test:every@0.1.0")]
pub mod every {
    use std::fmt::Write as _;
    use std::time::Duration;

    use flowstone_sdk::{Failure, log};

    pub use super::file::VERSION;

    /// A place on the map.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Point {
        /// To the right.
        pub x: f64,
        pub y: f64,
        /// A word of both languages.
        pub type_: Option<String>,
    }

    /// Which way.
    #[derive(Debug, PartialEq, Eq)]
    pub enum Way {
        North,
        SouthWest,
    }

    /// What there is to draw.
    #[derive(Debug, PartialEq)]
    pub enum Shape {
        /// Nothing.
        Empty,
        Dot(Point),
        Line((Point, Point)),
        Turn(Way),
    }

    pub type Shapes = Vec<Shape>;

    /// A record with a name that is a word of WIT.
    pub struct Record {
        pub list: Vec<u8>,
        pub ways: Vec<Way>,
        pub from: Result<Point, String>,
    }

    /// Numbers of all sizes, as they are.
    #[allow(clippy::too_many_arguments)]
    pub fn scalars(
        a: bool,
        b: u8,
        c: u16,
        d: u32,
        e: u64,
        f: i8,
        g: i16,
        h: i32,
        i: i64,
    ) -> (bool, u8, u16, u32, u64, i8, i16, i32, i64) {
        (a, b, c, d, e, f, g, h, i)
    }

    pub fn floats(single: f32, double: f64, letter: char) -> (f32, f64, char) {
        (single, double, letter)
    }

    /// References are enough to read.
    pub fn borrowed(
        text: &str,
        bytes: &[u8],
        numbers: &[u32],
        point: &Point,
        maybe: Option<&str>,
    ) -> String {
        let mut seen = format!("{text} {bytes:?} {numbers:?} {}", point.x);
        if let Some(word) = maybe {
            let _ = write!(seen, " {word}");
        }
        seen
    }

    pub fn maybe_point(point: Option<&Point>, rest: Option<&[u32]>) -> Option<Point> {
        rest.filter(|rest| !rest.is_empty()).and(point.cloned())
    }

    /// Every other way.
    pub fn turned(ways: Vec<Way>) -> Vec<Way> {
        let turn = |way| match way {
            Way::North => Way::SouthWest,
            Way::SouthWest => Way::North,
        };
        ways.into_iter().map(turn).collect()
    }

    pub fn shapes(mut shapes: Shapes) -> Shapes {
        shapes.reverse();
        shapes
    }

    /// The names of WIT are no trouble.
    pub fn import(list: Record) -> Record {
        list
    }

    pub fn match_(r#type: u32, _other: u32) -> u32 {
        r#type
    }

    pub fn nested(
        deep: Vec<Option<Result<(u8, String), Vec<String>>>>,
    ) -> Vec<Option<Result<(u8, String), Vec<String>>>> {
        deep
    }

    pub fn nothing() {}

    pub fn checked(number: u32) -> Result<(), String> {
        if number > 9 {
            Err(format!("{number} is too much"))
        } else {
            Ok(())
        }
    }

    /// What is to be done about a row.
    pub fn parsed(text: &str) -> Result<i64, Failure> {
        match text {
            "" => Err(Failure::Skip),
            "later" => Err(Failure::retry_after(Duration::from_millis(20), "not yet")),
            text => Ok(text.parse()?),
        }
    }

    pub fn say(what: &str) -> u32 {
        log::info!("it is {what}");
        log::warn!("twice {what}");
        what.len() as u32
    }

    /// Collection and key of the row in hand.
    pub fn whose() -> Option<(String, String)> {
        let row = flowstone_sdk::row()?;
        Some((row.collection, row.key))
    }

    /// A word that is a function of the mathematical library too.
    pub fn round(number: f64) -> f64 {
        number.round()
    }

    pub fn pow(number: f64, by: f64) -> f64 {
        number.powf(by)
    }

    /// And one of the memory.
    pub fn malloc(size: u32) -> Vec<u8> {
        vec![1; size as usize]
    }

    pub fn strlen(text: &str) -> Option<String> {
        std::ffi::CString::new(text).ok()?.into_string().ok()
    }

    fn helper() -> std::collections::HashMap<String, usize> {
        std::collections::HashMap::new()
    }

    /// Private things may be of any type.
    pub fn size() -> u32 {
        helper().len() as u32 + VERSION
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn functions_are_plain_rust() {
            assert_eq!(turned(vec![Way::North]), [Way::SouthWest]);
            assert_eq!(parsed("12"), Ok(12));
            assert_eq!(say("abc"), 3);
        }
    }
}
