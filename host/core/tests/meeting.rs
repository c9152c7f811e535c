//! How rows meet: what reduces, unions, lookups and state are wired to. One snapshot of the whole plan per case.

mod kinds;

use std::collections::BTreeMap;

use flowstone_core::FlowFile;
use kinds::shop::{CLUSTER, PRODUCT, SESSION, STATS, TOTAL, wire, with};
use kinds::shown::shown;

fn plan_of(more: &str) -> String {
    let text = with(more);
    match wire(&text) {
        Ok(plan) => shown(&plan),
        Err(errors) => panic!("{}", kinds::told(&text, Err(errors))),
    }
}

fn target(rows: &str, columns: &str) -> String {
    format!(
        "[target.{rows}-table]\nkind = \"sqlite\"\npath = \"{rows}.db\"\nrows = \"{rows}\"\nkey = [\"key\"]\ncolumns = {{ {columns} }}\n"
    )
}

fn transform(name: &str, call: &str, each: &str, more: &str) -> String {
    format!("[transform.{name}]\ncall = \"shop.{call}\"\neach = \"{each}\"\n{more}\n")
}

macro_rules! plans {
    ($($name:ident: [$($part:expr),* $(,)?];)*) => {$(
        #[test]
        fn $name() {
            let flow: String = [$(String::from($part)),*].concat();
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(stringify!($name), plan_of(&flow));
            });
        }
    )*};
}

plans! {
    reduce: [STATS, target("stats", "key = \"stats.company-id\", id = \"company-id\", all = \"stats\", n = \"stats.n\", mean = \"mean\"")];
    reduce_of_all: [
        "[reduce.average]\ncall = \"shop.mean\"\nover = \"food\"\nby = []\nfrom = { prices = \"price\" }\n",
        target("average", "key = \"average\""),
    ];
    reduce_that_makes_rows: [CLUSTER, target("cluster", "key = \"cluster.kind\", kind = \"kind\", n = \"n\"")];
    reduce_over_reduce: [
        STATS,
        "[reduce.spread]\ncall = \"shop.mean\"\nover = \"stats\"\nby = []\nfrom = { prices = \"stats.mean\" }\n",
    ];
    reduce_over_rows_of_a_reduce: [
        CLUSTER,
        "[reduce.largest]\ncall = \"shop.mean\"\nover = \"cluster\"\nby = [\"kind\", \"cluster.n\"]\nfrom = { prices = \"mean\" }\n",
    ];
    reduce_with_a_lookup: [
        STATS,
        "[reduce.kinds]\ncall = \"shop.rank-all\"\nover = \"food\"\nby = [\"company-id\"]\nfrom = { prices = \"price\" }\n",
        "lookup = { stats = { in = \"stats\", key = \"company-id\" } }\n",
    ];
    reduce_on_error: [STATS, "on-error = \"drop\"\n"];
    combine: [TOTAL, target("total", "key = \"total\", n = \"total.n\", mean = \"mean\"")];
    combine_by_a_column: [
        TOTAL.replace("[]", "[\"kind\"]"),
        transform("net", "net", "total", "from = { price = \"total.mean\" }"),
        target("total", "key = \"kind\", net = \"net\""),
    ];
    combine_of_batches: [
        TOTAL.replace("shop.one", "shop.ones").replace("shop.add", "shop.try-add"),
        "batch = true\nlookup = { company = { in = \"company\", key = \"company-id\" } }\n",
        target("total", "key = \"total.n\""),
    ];
    union: [
        PRODUCT,
        transform("net", "net", "product", ""),
        target("product", "key = \"product.id\", price = \"price\", net = \"net\", origin = \"origin\""),
    ];
    union_of_one: ["[union.goods]\nof = [\"food\"]\n", transform("net", "net", "goods", "")];
    union_of_unions: [
        PRODUCT,
        "[union.service]\nof = [\"company\"]\n[union.all]\nof = [\"service\", \"product\"]\n",
        transform("net", "net", "all", ""),
        target("all", "key = \"all.price\", origin = \"all.origin\""),
    ];
    union_of_rows: [
        transform("part", "parts", "page", "from = { name = \"path\" }\nrows = true"),
        transform("bit", "parts", "food", "rows = true"),
        "[union.piece]\nof = [\"part\", \"bit\"]\n",
        target("piece", "key = \"text\", whole = \"piece\""),
    ];
    union_takes_the_type_that_all_can_give: [
        TOTAL,
        transform("price", "net", "total", "from = { price = \"mean\" }"),
        "[union.priced]\nof = [\"food\", \"total\"]\n",
        target("priced", "key = \"priced.price\""),
    ];
    lookup: [transform("priced", "price", "food", "lookup = { company = { in = \"company\", key = \"food.company-id\" } }")];
    lookup_of_many: [transform("offers", "offers", "food", "lookup = { company = { in = \"company\", key = \"kind\", on = \"kind\", many = true } }")];
    lookup_of_a_column: [transform("label", "label", "food", "lookup = { name = { in = \"page\", key = \"file\", take = \"content\" } }")];
    lookup_by_two_columns: [transform("label", "label", "food", "lookup = { name = { in = \"company\", key = [\"kind\", \"company-id\"], on = [\"kind\", \"id\"], take = \"name\" } }")];
    lookup_over_reduce: [STATS, transform("rank", "rank", "tools", "lookup = { stats = { in = \"stats\", key = \"company-id\" } }")];
    lookup_over_combined: [TOTAL.replace("[]", "[\"kind\"]"), transform("rank", "rank", "tools", "lookup = { stats = { in = \"total\", key = \"kind\" } }")];
    lookup_by_a_result: [
        transform("label", "label", "food", "lookup = { name = { in = \"company\", key = \"clean\", on = \"id\", take = \"name\" } }"),
        transform("clean", "name", "food", ""),
    ];
    lookups_that_share: [
        transform("priced", "price", "food", "lookup = { company = { in = \"company\", key = \"company-id\" } }"),
        transform("dear", "price", "tools", "lookup = { company = { in = \"company\", key = \"maker\", on = \"id\" } }"),
    ];
    lookup_in_the_collection_that_a_union_reads: [
        "[union.reader]\nof = [\"food\"]\n",
        transform("label", "label", "reader", "lookup = { name = { in = \"food\", key = \"parent\", take = \"name\" } }"),
    ];
    state: [SESSION.replace("with =", "from = { clicks = \"food.count\" }\nwith ="), target("session", "key = \"session.number\", first = \"first\", user = \"user\", id = \"food.id\", all = \"session\"")];
    state_of_all: [
        SESSION.replace("state = { by = [\"user\"], rows = 100 }", "state = true"),
        "[reduce.sessions]\ncall = \"shop.mean\"\nover = \"session\"\nby = [\"session.number\"]\nfrom = { prices = \"price\" }\n",
    ];
}

#[test]
fn the_flows_of_the_reference_are_read() {
    let reference = include_str!("../../../docs/flow.md");
    let blocks = reference.split("```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().expect("a block ends"));
    let mut steps = 0;
    for block in blocks.filter(|block| block.starts_with('[')) {
        let read = FlowFile::parse(&with(block), &BTreeMap::new());
        read.unwrap_or_else(|errors| panic!("{errors} in:\n{block}"));
        steps += 1;
    }
    assert!(steps >= 5, "the reference shows how rows meet");
}
