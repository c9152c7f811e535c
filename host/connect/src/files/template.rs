//! Paths of target files: the template in the flow file, and which paths are good.

use std::path::{Component, Path};

use flowstone_core::{Column, OptionError, Type, Value};

use crate::key::printable;

/// What begins the names that the target keeps for itself.
pub(crate) const RESERVED_PREFIX: &str = ".flowstone-";
/// The longest name that common file systems take, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// The longest path that common systems take at once, in bytes.
const PATH_BYTES_MAX: usize = 4000;

/// A path with the names of columns in braces: `{author}/{title}.txt`. `{{` and `}}` stand for braces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// The position of a column.
    Column(usize),
}

/// The names of columns in braces in `text`, each once, in order. Faults are left to [`Template::parse`].
pub(crate) fn placeholders(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let plain = text.replace("{{", "").replace("}}", "");
    for piece in plain.split('{').skip(1) {
        if let Some((name, _)) = piece.split_once('}')
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

impl Template {
    pub(crate) fn parse(text: &str, columns: &[Column]) -> Result<Self, OptionError> {
        let bad = |message: String| OptionError::new("path", format!("option `path`: {message}"));
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(doubled) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = doubled;
                continue;
            }
            let name = match (brace, after.split_once('}')) {
                ("{", Some((name, after))) => {
                    rest = after;
                    name
                }
                _ => {
                    return Err(bad(format!(
                        "the `{brace}` at byte {} has no partner",
                        text.len() - rest.len() + at
                    )));
                }
            };
            let Some(position) = columns.iter().position(|column| column.name == name) else {
                let candidates = columns.iter().map(|column| column.name.clone()).collect();
                return Err(OptionError {
                    candidates,
                    ..bad(format!("the target has no column `{name}`"))
                });
            };
            let ty = &columns[position].ty;
            if !names_files(ty) {
                return Err(bad(format!(
                    "column `{name}` is of type `{ty}`, which makes no file name"
                )));
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Column(position));
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Template { pieces })
    }

    pub(crate) fn uses(&self, column: usize) -> bool {
        self.pieces.contains(&Piece::Column(column))
    }

    /// The path for a row, or why there is none.
    pub(crate) fn render(&self, row: &[Value]) -> Result<String, String> {
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Column(position) => push_value(&mut path, &row[*position])?,
            }
        }
        check_path(&path)?;
        Ok(path)
    }
}

fn names_files(ty: &Type) -> bool {
    let float = matches!(ty, Type::F32 | Type::F64);
    matches!(ty, Type::String | Type::Char | Type::Bool) || (ty.number_width().is_some() && !float)
}

fn push_value(path: &mut String, value: &Value) -> Result<(), String> {
    match value {
        Value::Str(text) => path.push_str(text),
        Value::Char(c) => path.push(*c),
        Value::Bool(v) => path.push_str(if *v { "true" } else { "false" }),
        Value::S8(v) => path.push_str(&v.to_string()),
        Value::U8(v) => path.push_str(&v.to_string()),
        Value::S16(v) => path.push_str(&v.to_string()),
        Value::U16(v) => path.push_str(&v.to_string()),
        Value::S32(v) => path.push_str(&v.to_string()),
        Value::U32(v) => path.push_str(&v.to_string()),
        Value::S64(v) => path.push_str(&v.to_string()),
        Value::U64(v) => path.push_str(&v.to_string()),
        _ => return Err("the value makes no file name".to_owned()),
    }
    Ok(())
}

/// Whether a path names one file below the root, in the only way in which that file is named.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let bad = |reason: String| {
        Err(format!(
            "`{}` is no path for a file: {reason}",
            printable(path.as_bytes())
        ))
    };
    if path.len() > PATH_BYTES_MAX {
        return bad(format!(
            "it has {} bytes, more than {PATH_BYTES_MAX}",
            path.len()
        ));
    }
    if path.contains('\0') {
        return bad("it contains a zero byte".to_owned());
    }
    for name in path.split('/') {
        match name {
            "" => return bad("it has an empty name in it".to_owned()),
            "." | ".." => return bad(format!("it contains `{name}`")),
            _ => {}
        }
        if name.len() > NAME_BYTES_MAX {
            return bad(format!(
                "a name in it has {} bytes, more than {NAME_BYTES_MAX}",
                name.len()
            ));
        }
        if name
            .get(..RESERVED_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX))
        {
            return bad(format!(
                "names that begin with `{RESERVED_PREFIX}` are flowstone's own"
            ));
        }
    }
    // Systems other than Unix have more ways to leave a folder: drives, backslashes.
    if !Path::new(path)
        .components()
        .all(|c| matches!(c, Component::Normal(_)))
    {
        return bad("it leads out of the root".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        [
            ("path", Type::String),
            ("n", Type::S32),
            ("content", Type::bytes()),
            ("f", Type::F64),
        ]
        .map(|(name, ty)| Column {
            name: name.to_owned(),
            ty,
        })
        .into()
    }

    fn render(template: &str, path: &str, n: i32) -> Result<String, String> {
        let row = [
            Value::str(path),
            Value::S32(n),
            Value::bytes(vec![]),
            Value::F64(0.0),
        ];
        Template::parse(template, &columns()).unwrap().render(&row)
    }

    #[test]
    fn columns_stand_in_braces_and_braces_are_doubled() {
        assert_eq!(render("{path}.txt", "a/b", 0).unwrap(), "a/b.txt");
        assert_eq!(render("x-{n}/{path}", "é", -7).unwrap(), "x--7/é");
        assert_eq!(render("{{{path}}}", "p", 0).unwrap(), "{p}");
        assert_eq!(render("constant", "p", 0).unwrap(), "constant");
    }

    #[test]
    fn bad_templates_say_what_is_wrong() {
        for (template, says) in [
            ("a{path", "`{` at byte 1"),
            ("ab}c", "`}` at byte 2"),
            ("{}", "no column ``"),
            ("{title}", "no column `title`"),
            ("{content}", "`list<u8>`"),
            ("{f}", "`f64`"),
        ] {
            let error = Template::parse(template, &columns()).unwrap_err();
            assert!(
                error.message.contains(says),
                "{template}: {}",
                error.message
            );
        }
        assert_eq!(
            Template::parse("{title}", &columns())
                .unwrap_err()
                .candidates
                .len(),
            4
        );
    }

    #[test]
    fn hostile_paths_are_refused() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(2500) + "x";
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            &long,
            &deep,
            ".flowstone-target.db",
            "a/.FLOWSTONE-tmp-1",
            ".flowstone-x/y",
        ] {
            assert!(render("{path}", path, 0).is_err(), "{path:?}");
        }
        for path in [
            "a",
            "a b",
            "...",
            "..a",
            "a\nb",
            ".hidden",
            ".flowstone",
            "a\\b",
        ] {
            assert_eq!(
                render("{path}", path, 0).is_ok(),
                cfg!(unix) || !path.contains('\\'),
                "{path:?}"
            );
        }
    }
}
