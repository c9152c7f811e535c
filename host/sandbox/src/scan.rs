//! Reads a binary without compiling it: is it a component, what is its digest, does it carry doc comments.
//!
//! The digest is the code's identity in every memo key, so it must not change when only names, producers or debug
//! information do. It is taken over the sections in order, custom sections left out at every nesting level.
//!
//! | hashed | bytes |
//! | --- | --- |
//! | a section | `S`, its id, the length of its content as `u64`, the content |
//! | a nested module or component | `(`, its id, its 8-byte header, its sections, `)` |

use flowstone_core::ComponentDigest;

use crate::docs::Docs;
use crate::error::LoadError;

/// The first thing hashed: which recipe made the digest. Raise the number when anything below changes.
const RECIPE: &str = "flowstone component digest 1";

/// How many bytes a component may have. The largest ones known (a Python interpreter with numpy) have 60 MiB.
pub const COMPONENT_BYTES_MAX: usize = 512 << 20;

/// How deep modules and components may be nested; the validation allows no more either.
const NESTING_MAX: usize = 100;

/// `\0asm`, version 13, layer 1.
const COMPONENT_HEADER: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
/// `\0asm`, version 1, layer 0.
const MODULE_HEADER: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];

const CUSTOM_SECTION: u8 = 0;
const NESTED_MODULE: u8 = 1;
const NESTED_COMPONENT: u8 = 4;

/// What a look at a component's binary shows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scan {
    /// The identity of its code: it stays the same when only custom sections change.
    pub digest: ComponentDigest,
    /// How many bytes of the binary are custom sections, and so count for nothing.
    pub custom_bytes: usize,
    /// The doc comments it carries.
    pub(crate) docs: Docs,
}

/// Reads a binary without compiling it.
///
/// # Errors
///
/// When the bytes are no component, or their sections are cut off. The contents of sections are not looked at:
/// that is for [`crate::Sandbox::load`].
pub fn scan(bytes: &[u8]) -> Result<Scan, LoadError> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge {
            bytes: bytes.len(),
            bytes_max: COMPONENT_BYTES_MAX,
        });
    }
    check_header(bytes)?;
    let mut scanner = Scanner {
        hasher: blake3::Hasher::new_derive_key(RECIPE),
        custom_bytes: 0,
        docs: Docs::default(),
    };
    let end = bytes.len();
    scanner.sections(
        Reader {
            bytes,
            at: COMPONENT_HEADER.len(),
            end,
        },
        Layer::Component,
        0,
    )?;
    Ok(Scan {
        digest: ComponentDigest::from_bytes(*scanner.hasher.finalize().as_bytes()),
        custom_bytes: scanner.custom_bytes,
        docs: scanner.docs,
    })
}

fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.starts_with(&COMPONENT_HEADER) {
        return Ok(());
    }
    if bytes.starts_with(&MODULE_HEADER) {
        return Err(LoadError::CoreModule);
    }
    if bytes.is_empty() {
        return Err(LoadError::NotWasm("the file is empty".to_owned()));
    }
    if bytes.starts_with(b"\0asm") {
        let version = bytes.get(4..8).unwrap_or_default();
        return Err(LoadError::NotWasm(format!(
            "it has the unknown version {version:02x?}; build it with current tools (components have [0d, 00, 01, 00])"
        )));
    }
    if looks_like_text(bytes) {
        return Err(LoadError::Text);
    }
    Err(LoadError::NotWasm(
        "it does not start with `\\0asm`".to_owned(),
    ))
}

/// Whether the bytes start as WebAssembly text does: white space and comments, then a parenthesis.
fn looks_like_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(4096)];
    let text = String::from_utf8_lossy(start);
    text.lines()
        .map(str::trim_start)
        .find(|line| !line.is_empty() && !line.starts_with(";;"))
        .is_some_and(|line| {
            ["(component", "(module", "(;"]
                .iter()
                .any(|opening| line.starts_with(opening))
        })
}

#[derive(Clone, Copy, PartialEq)]
enum Layer {
    Module,
    Component,
}

/// A part of the file, read from `at` to `end`. Offsets stay those of the file, for messages.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, reason: &'static str) -> LoadError {
        LoadError::Malformed {
            offset: self.at,
            reason,
        }
    }

    fn byte(&mut self) -> Result<u8, LoadError> {
        if self.at >= self.end {
            return Err(self.error("the file is cut off"));
        }
        self.at += 1;
        Ok(self.bytes[self.at - 1])
    }

    /// A `u32` in LEB128, at most five bytes.
    fn size(&mut self) -> Result<usize, LoadError> {
        let mut size = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            size |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(size)
                    .ok()
                    .filter(|_| u32::try_from(size).is_ok())
                    .ok_or_else(|| self.error("a length does not fit 32 bits"));
            }
        }
        Err(self.error("a length has more than five bytes"))
    }

    /// The next `size` bytes as a reader of their own.
    fn part(&mut self, size: usize) -> Result<Reader<'a>, LoadError> {
        if size > self.end - self.at {
            return Err(self.error("a section is longer than the rest of the file"));
        }
        let part = Reader {
            bytes: self.bytes,
            at: self.at,
            end: self.at + size,
        };
        self.at += size;
        Ok(part)
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..self.end]
    }
}

struct Scanner {
    hasher: blake3::Hasher,
    custom_bytes: usize,
    docs: Docs,
}

impl Scanner {
    /// Hashes the sections of a module or component; its header has been read.
    fn sections(
        &mut self,
        mut reader: Reader<'_>,
        layer: Layer,
        depth: usize,
    ) -> Result<(), LoadError> {
        while reader.at < reader.end {
            let id = reader.byte()?;
            let size = reader.size()?;
            let content = reader.part(size)?;
            match (layer, id) {
                (_, CUSTOM_SECTION) => self.custom(content, depth)?,
                (Layer::Component, NESTED_MODULE) => {
                    self.nested(id, content, Layer::Module, depth)?;
                }
                (Layer::Component, NESTED_COMPONENT) => {
                    self.nested(id, content, Layer::Component, depth)?;
                }
                _ => self.section(id, content.rest()),
            }
        }
        Ok(())
    }

    fn section(&mut self, id: u8, content: &[u8]) {
        self.hasher
            .update(&[b'S', id])
            .update(&(content.len() as u64).to_le_bytes())
            .update(content);
    }

    fn nested(
        &mut self,
        id: u8,
        mut content: Reader<'_>,
        layer: Layer,
        depth: usize,
    ) -> Result<(), LoadError> {
        if depth >= NESTING_MAX {
            return Err(content.error("modules and components are nested too deeply"));
        }
        let header = if layer == Layer::Module {
            MODULE_HEADER
        } else {
            COMPONENT_HEADER
        };
        if !content.rest().starts_with(&header) {
            return Err(content.error("a nested module or component has the wrong header"));
        }
        content.at += header.len();
        self.hasher.update(&[b'(', id]).update(&header);
        self.sections(content, layer, depth + 1)?;
        self.hasher.update(b")");
        Ok(())
    }

    fn custom(&mut self, mut content: Reader<'_>, depth: usize) -> Result<(), LoadError> {
        self.custom_bytes += content.rest().len();
        let name = content.size()?;
        let name = content.part(name)?;
        // Linkers leave the docs that compilers bring in the module. Those of the component itself count first.
        let wanted = depth == 0 || (depth == 1 && self.docs.is_none());
        if wanted && name.rest() == Docs::SECTION.as_bytes() {
            self.docs = Docs::decode(content.rest());
        }
        Ok(())
    }
}
