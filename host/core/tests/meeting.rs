//! How rows meet: what reduces, unions, lookups and state are wired to. One snapshot of the whole plan per case.

mod kinds;

use std::collections::BTreeMap;

use flowstone_core::{FlowErrors, FlowFile, Function, Interface, Plan, Type};
use kinds::shown::shown;
use kinds::{Kinds, function};

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
        function("label", &[("name", Type::option(text()))], Some(text())),
        function(
            "parts",
            &[("name", text())],
            Some(Type::list(Type::record([("part", text())]))),
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
                    Type::list(Type::record([
                        ("session", Type::U64),
                        ("first", Type::Bool),
                    ])),
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

fn wire(text: &str) -> Result<Plan, FlowErrors> {
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

fn with(more: &str) -> String {
    format!("{HEAD}{more}")
}

/// The stages that have something to do with rows that meet, as text.
fn plan_of(more: &str) -> String {
    let text = with(more);
    match wire(&text) {
        Ok(mut plan) => {
            let shown = shown(&plan);
            plan.stages.clear();
            shown
        }
        Err(errors) => kinds::told(&text, Err(errors)),
    }
}

macro_rules! plans {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(stringify!($name), plan_of(&$text));
            });
        }
    )*};
}

const STATS: &str = "[reduce.stats]\ncall = \"shop.stats\"\nover = \"food\"\nby = [\"company-id\"]\nfrom = { prices = \"food.price\" }\non-error = \"drop\"\n";
const TOTAL: &str =
    "[reduce.total]\ncall = \"shop.one\"\nover = \"food\"\nby = []\ncombine = \"shop.add\"\n";
const PRODUCT: &str = "[union.product]\nof = [\"tools\", \"food\"]\non-error = \"drop\"\n";
const SESSION: &str = "[transform.session]\ncall = \"shop.session\"\neach = \"food\"\nwith = { gap = 30 }\nstate = { by = [\"user\"], rows = 100 }\n";

fn target(rows: &str, columns: &str) -> String {
    format!(
        "[target.{rows}-table]\nkind = \"sqlite\"\npath = \"{rows}.db\"\nrows = \"{rows}\"\nkey = [\"key\"]\ncolumns = {{ {columns} }}\n"
    )
}

plans! {
    reduce: format!("{STATS}{}", target("stats", "key = \"stats.company-id\", id = \"company-id\", all = \"stats\", n = \"stats.n\", mean = \"mean\""));
    reduce_that_makes_rows: format!(
        "[reduce.cluster]\ncall = \"shop.clusters\"\nover = \"food\"\nby = [\"kind\"]\nfrom = {{ prices = \"price\" }}\nrows = true\n{}",
        target("cluster", "key = \"cluster.kind\", kind = \"kind\", n = \"n\"")
    );
    reduce_of_all: format!(
        "[reduce.average]\ncall = \"shop.mean\"\nover = \"food\"\nby = []\nfrom = {{ prices = \"price\" }}\n{}", target("average", "key = \"average\"")
    );
    combine: format!("{TOTAL}{}", target("total", "key = \"total\", n = \"total.n\", mean = \"mean\""));
    union: format!(
        "{PRODUCT}[transform.net]\ncall = \"shop.net\"\neach = \"product\"\n{}",
        target("product", "key = \"product.id\", price = \"price\", net = \"net\", origin = \"origin\"")
    );
    lookup: "[transform.priced]\ncall = \"shop.price\"\neach = \"food\"\nlookup = { company = { in = \"company\", key = \"food.company-id\" } }\n".to_owned();
}
