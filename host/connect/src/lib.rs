//! Sources and targets of flowstone, one module each behind a cargo feature.
