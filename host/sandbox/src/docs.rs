//! Doc comments, as WIT tools keep them in the custom section `package-docs`.
//!
//! The format is that of wit-parser's `PackageMetadata`: a version byte, then JSON. Doc comments are a courtesy: a
//! section that cannot be read is taken for none.

use serde_json::Value as Json;

/// The doc comments of a component's functions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Docs(Option<Json>);

impl Docs {
    /// The name of the custom section.
    pub(crate) const SECTION: &str = "package-docs";

    /// Reads the content of the section. Anything unknown makes it empty.
    pub(crate) fn decode(content: &[u8]) -> Self {
        match content {
            [0 | 1, json @ ..] => Docs(serde_json::from_slice(json).ok()),
            _ => Docs(None),
        }
    }

    /// Whether there are none.
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The doc comment of a function: at the root of the world, or in the exported interface `interface`
    /// (`acme:text/stats@0.1.0`).
    pub(crate) fn function(&self, interface: Option<&str>, name: &str) -> Option<String> {
        let package = self.0.as_ref()?;
        let functions = |holder: &Json, key: &str| text(holder.get(key)?.get(name)?);
        let worlds = || {
            package
                .get("worlds")
                .and_then(Json::as_object)
                .into_iter()
                .flat_map(|worlds| worlds.values())
        };
        match interface {
            None => worlds().find_map(|world| {
                functions(world, "func_exports").or_else(|| functions(world, "funcs"))
            }),
            Some(interface) => {
                let short = short_interface(interface);
                let inline =
                    |world: &Json, key: &str| functions(world.get(key)?.get(interface)?, "funcs");
                package
                    .get("interfaces")
                    .and_then(|interfaces| functions(interfaces.get(short)?, "funcs"))
                    .or_else(|| {
                        worlds().find_map(|world| {
                            inline(world, "interface_exports")
                                .or_else(|| inline(world, "interfaces"))
                        })
                    })
            }
        }
    }
}

/// `stats` of `acme:text/stats@0.1.0`.
fn short_interface(name: &str) -> &str {
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name)
}

/// A function's entry: its doc comment as a string, or an object with the field `docs`.
fn text(entry: &Json) -> Option<String> {
    entry
        .as_str()
        .or_else(|| entry.get("docs")?.as_str())
        .map(|docs| docs.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &[u8] = br#"_{
        "worlds": {"text": {
            "func_exports": {"word-count": " Counts. "},
            "interface_exports": {"local": {"funcs": {"f": "inline"}}}
        }},
        "interfaces": {"stats": {"funcs": {"mean": {"docs": "The mean.", "stability": "unknown"}}}}
    }"#;

    fn docs() -> Docs {
        let mut section = SECTION.to_vec();
        section[0] = 1;
        Docs::decode(&section)
    }

    #[test]
    fn docs_are_found_at_the_root_and_in_interfaces() {
        let docs = docs();
        assert_eq!(
            docs.function(None, "word-count").as_deref(),
            Some("Counts.")
        );
        assert_eq!(
            docs.function(Some("acme:text/stats@0.1.0"), "mean")
                .as_deref(),
            Some("The mean.")
        );
        assert_eq!(docs.function(Some("local"), "f").as_deref(), Some("inline"));
        assert_eq!(docs.function(None, "mean"), None);
    }

    #[test]
    fn what_cannot_be_read_is_no_docs() {
        for content in [&b""[..], b"\x07{}", b"\x01{", b"\x01[1, 2]"] {
            assert_eq!(Docs::decode(content).function(None, "f"), None);
        }
    }
}
