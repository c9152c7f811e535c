//! The flow model: a flow file is parsed into declarations, and these are wired into a [`Plan`] that can be run.
//!
//! ```text
//! flow.toml -- tree: TOML with places, variables filled in
//!           -- declaration: plugins, sources, transforms, targets
//!           -- wire: every parameter and every target column finds its column, types are checked
//!           -> plan: stages of transforms in topological order
//! ```

mod batch;
mod cache;
mod connectors;
mod declaration;
mod fields;
mod gather;
mod grants;
mod literal;
mod plan;
mod steps;
mod tree;
mod wire;

pub use batch::{BatchSettings, row_function};
pub use cache::{CacheMode, CacheSettings, Identity, StoreSettings, is_pin_name};
pub use connectors::{
    Column, Connectors, OptionError, OptionValue, Options, SourceColumns, TargetSpec,
};
pub use declaration::{FlowFile, OnError, PluginDecl, PluginOrigin, SourceDecl};
pub use gather::{
    Fold, FoldKind, Gather, GatherColumn, Lookup, Origin, REDUCE, RELATION, Reader, Relation,
    RelationRef, STATE, StateArgument, UNION,
};
pub use grants::{Endpoint, Grants, Host, Variable};
pub use plan::{
    Argument, Collection, ColumnKind, ColumnRef, InstanceMode, Plan, ResultShape, SourcePlan,
    Stage, TargetPlan, Transform,
};
pub use tree::Located;
