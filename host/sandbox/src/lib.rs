//! The WebAssembly sandbox of flowstone: load, describe, limit and call components.
