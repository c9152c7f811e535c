//! A shop: its functions and sources, for tests of what rows of different collections have to do with each other.

use std::collections::BTreeMap;

use flowstone_core::{FlowErrors, FlowFile, Function, Interface, Plan, Type};

use super::{Kinds, function};

fn interfaces() -> BTreeMap<String, Interface> {
    let text = || Type::String;
    let prices = || Type::list(Type::F64);
    let stats = || Type::record([("n", Type::U32), ("mean", Type::F64)]);
    let company = || Type::record([("id", Type::U32), ("name", Type::String)]);
    let functions: Vec<Function> = vec![
        function(
            "stats",
            &[("company-id", Type::U32), ("prices", prices())],
            Some(stats()),
        ),
        function("mean", &[("prices", prices())], Some(Type::F64)),
        function(
            "clusters",
            &[("prices", prices())],
            Some(Type::list(stats())),
        ),
        function("one", &[("price", Type::F64)], Some(stats())),
        function(
            "ones",
            &[
                ("price", prices()),
                ("company", Type::list(Type::option(company()))),
            ],
            Some(Type::list(stats())),
        ),
        function(
            "try-add",
            &[("a", stats()), ("b", stats())],
            Some(Type::Result {
                ok: Some(stats().into()),
                err: Some(Type::String.into()),
            }),
        ),
        function("add", &[("a", stats()), ("b", stats())], Some(stats())),
        function("first", &[("a", stats()), ("b", Type::U32)], Some(stats())),
        function("net", &[("price", Type::F64)], Some(Type::F64)),
        function("whole", &[("price", Type::F64)], Some(Type::U32)),
        function("name", &[("name", text())], Some(text())),
        function(
            "price",
            &[("cost", Type::F64), ("company", Type::option(company()))],
            Some(Type::F64),
        ),
        function(
            "offers",
            &[("company", Type::list(company()))],
            Some(Type::U32),
        ),
        function(
            "rank",
            &[("price", Type::F64), ("stats", Type::option(stats()))],
            Some(Type::F64),
        ),
        function(
            "rank-all",
            &[("prices", prices()), ("stats", Type::option(stats()))],
            Some(Type::F64),
        ),
        function("label", &[("name", Type::option(text()))], Some(text())),
        function(
            "parts",
            &[("name", text())],
            Some(Type::list(Type::record([("text", text())]))),
        ),
        function(
            "session",
            &[
                ("state", Type::option(Type::U64)),
                ("clicks", Type::list(Type::U32)),
                ("gap", Type::U32),
            ],
            Some(Type::Tuple(
                [
                    Type::U64,
                    Type::list(Type::record([("number", Type::U64), ("first", Type::Bool)])),
                ]
                .into(),
            )),
        ),
        function(
            "no-state",
            &[("clicks", Type::list(Type::U32))],
            Some(Type::list(Type::U32)),
        ),
        function(
            "blind",
            &[("state", Type::option(Type::U64))],
            Some(Type::Tuple([Type::U64, Type::list(Type::U32)].into())),
        ),
    ];
    let shop = Interface {
        functions,
        ..Interface::default()
    };
    BTreeMap::from([("shop".to_owned(), shop)])
}

/// Reads and wires a flow.
pub(crate) fn wire(text: &str) -> Result<Plan, FlowErrors> {
    FlowFile::parse(text, &BTreeMap::new())?.wire(&interfaces(), &Kinds)
}

const HEAD: &str = r#"name = "shop"
[plugin.shop]
component = "shop.wasm"
[source.food]
kind = "csv"
path = "food.csv"
key = "id"
[source.tools]
kind = "csv"
path = "tools.csv"
on-error = "drop"
[source.company]
kind = "csv"
path = "company.csv"
key = "id"
[source.page]
kind = "files"
root = "docs"
"#;

/// The sources of the shop, and more.
pub(crate) fn with(more: &str) -> String {
    format!("{HEAD}{more}")
}

pub(crate) const STATS: &str = "[reduce.stats]\ncall = \"shop.stats\"\nover = \"food\"\nby = [\"company-id\"]\nfrom = { prices = \"food.price\" }\n";
pub(crate) const TOTAL: &str =
    "[reduce.total]\ncall = \"shop.one\"\nover = \"food\"\nby = []\ncombine = \"shop.add\"\n";
pub(crate) const PRODUCT: &str = "[union.product]\nof = [\"tools\", \"food\"]\n";
pub(crate) const SESSION: &str = "[transform.session]\ncall = \"shop.session\"\neach = \"food\"\nwith = { gap = 30 }\nstate = { by = [\"user\"], rows = 100 }\n";
pub(crate) const CLUSTER: &str = "[reduce.cluster]\ncall = \"shop.clusters\"\nover = \"food\"\nby = [\"kind\"]\nfrom = { prices = \"price\" }\nrows = true\n";
