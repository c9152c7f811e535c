//! The flowstone engine: incremental data flows over WebAssembly components.
