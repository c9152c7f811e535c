//! The store of flowstone: memo, lineage and runs in redb, large values as objects on disk.
