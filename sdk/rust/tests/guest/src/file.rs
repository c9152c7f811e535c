//! What is not the plugin's face lies in other files.

/// Added to a size.
pub const VERSION: u32 = 1;
