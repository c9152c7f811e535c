//! What a person is told when steps in which rows meet do not fit: the message, the place, and what to do.

mod kinds;

use kinds::shop::{CLUSTER, PRODUCT, SESSION, STATS, TOTAL, wire, with};

/// What is told of the shop's sources with these steps.
fn told(more: &str) -> String {
    let text = with(more);
    kinds::told(&text, wire(&text))
}

fn transform(name: &str, call: &str, each: &str, more: &str) -> String {
    format!("[transform.{name}]\ncall = \"shop.{call}\"\neach = \"{each}\"\n{more}\n")
}

/// A transform of food that looks a company up.
fn looks_up(lookup: &str) -> String {
    transform(
        "priced",
        "price",
        "food",
        &format!("lookup = {{ {lookup} }}"),
    )
}

macro_rules! tells {
    ($($name:ident: [$($part:expr),* $(,)?];)*) => {$(
        #[test]
        fn $name() {
            let flow: String = [$(String::from($part)),*].concat();
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(stringify!($name), told(&flow));
            });
        }
    )*};
}

tells! {
    // What is written
    reduce_without_settings: ["[reduce.stats]\n"];
    reduce_with_unknown_setting: [STATS, "each = \"food\"\n"];
    reduce_by_no_list: [STATS.replace("[\"company-id\"]", "\"company-id\"")];
    union_without_of: ["[union.product]\n"];
    union_of_nothing: ["[union.product]\nof = []\n"];
    union_of_numbers: ["[union.product]\nof = [3]\n"];
    lookup_that_is_no_table: [transform("priced", "price", "food", "lookup = { company = \"company\" }")];
    lookup_without_settings: [looks_up("company = { }")];
    lookup_with_unknown_setting: [looks_up("company = { in = \"company\", key = \"id\", form = \"id\" }")];
    lookup_by_no_columns: [looks_up("company = { in = \"company\", key = [] }")];
    state_that_is_no_table: [SESSION.replace("{ by = [\"user\"], rows = 100 }", "\"yes\"")];
    state_of_too_many_rows: [SESSION.replace("100", "65537")];
    state_of_no_rows: [SESSION.replace("100", "0")];
    state_with_what_it_cannot_have: [SESSION, "rows = true\nbatch = true\nlookup = {}\ngrants = { clock = true }\ncache = { max-age = \"1d\" }\n"];
    state_that_is_ignored: [SESSION, "cache = { mode = \"ignore\" }\n"];
    batch_of_groups: [STATS, "batch = true\n"];
    combine_that_makes_rows: [TOTAL, "rows = true\n"];
    combine_that_is_ignored: [TOTAL, "cache = { mode = \"ignore\" }\n"];
    reduce_that_is_granted: [STATS, "grants = { clock = true }\n"];

    // Collections
    names_that_are_taken: [STATS.replace("reduce.stats", "reduce.food"), PRODUCT, transform("product", "net", "food", "")];
    reduce_over_nothing: [STATS.replace("\"food\"", "\"foods\"")];
    reduce_over_a_column: [STATS.replace("\"food\"", "\"net\""), transform("net", "net", "food", "")];
    reduce_over_hidden_groups: [CLUSTER, STATS.replace("\"food\"", "\"groups of cluster\"")];
    union_of_what_is_not_there: ["[union.product]\nof = [\"food\", \"tool\"]\n", transform("net", "net", "product", "")];
    union_of_one_twice: ["[union.product]\nof = [\"food\", \"food\"]\n"];
    lookup_in_nothing: [looks_up("company = { in = \"companies\", key = \"company-id\" }")];
    state_of_nothing: [SESSION.replace("\"food\"", "\"foot\"")];
    column_made_on_a_column_of_a_union: [PRODUCT, transform("origin", "net", "product", "")];
    column_made_on_a_column_of_a_group: [STATS, transform("company-id", "name", "stats", "with = { name = \"a\" }")];
    column_made_on_a_field_of_a_result: [STATS, transform("mean", "net", "stats", "with = { price = 1.0 }")];

    // Circles
    batch_with_a_lookup_of_another_type: [
        TOTAL.replace("shop.one", "shop.ones"),
        "batch = true\nlookup = { price = { in = \"company\", key = \"company-id\" } }\n",
    ];
    circle_of_a_lookup: [STATS, transform("rank", "rank", "food", "lookup = { stats = { in = \"stats\", key = \"company-id\" } }")];
    circle_of_a_lookup_in_itself: [transform("label", "label", "food", "lookup = { name = { in = \"food\", key = \"parent\", on = \"id\", take = \"name\" } }")];
    circle_of_lookups: [
        transform("label", "label", "food", "lookup = { name = { in = \"tools\", key = \"tool\", on = \"id\", take = \"name\" } }"),
        transform("sign", "label", "tools", "lookup = { name = { in = \"food\", key = \"food\", take = \"name\" } }"),
    ];
    circle_of_one: ["[reduce.stats]\ncall = \"shop.stats\"\nover = \"stats\"\nby = []\n"];
    circle_of_steps: [
        "[union.all]\nof = [\"food\", \"high\"]\n[reduce.high]\ncall = \"shop.mean\"\nover = \"session\"\nby = []\n",
        SESSION.replace("\"food\"", "\"all\""),
        "[union.after]\nof = [\"high\"]\n",
    ];
    circle_of_rows: [
        CLUSTER.replace("\"food\"", "\"bit\""),
        transform("bit", "parts", "cluster", "rows = true\nwith = { name = \"a\" }"),
    ];

    // Reduces
    reduce_by_no_column: ["[reduce.heads]\ncall = \"shop.mean\"\nover = \"page\"\nby = [\"pat\"]\nfrom = { prices = \"size\" }\n"];
    reduce_by_two_of_one_name: ["[reduce.pages]\ncall = \"shop.mean\"\nover = \"page\"\nby = [\"path\", \"page.path\"]\nwith = { prices = [] }\n"];
    reduce_by_a_field_of_its_result: [CLUSTER.replace("rows = true\n", ""), "[reduce.again]\ncall = \"shop.stats\"\nover = \"food\"\nby = [\"n\"]\nwith = { company-id = 1, prices = [] }\n"];
    reduce_by_a_field_of_its_rows: [CLUSTER.replace("\"kind\"", "\"n\"")];
    reduce_that_is_called_as_its_group: ["[reduce.kind]\ncall = \"shop.mean\"\nover = \"food\"\nby = [\"kind\"]\nfrom = { prices = \"price\" }\n"];
    group_column_of_another_type: ["[reduce.sizes]\ncall = \"shop.stats\"\nover = \"page\"\nby = [\"size\"]\nfrom = { company-id = \"page.size\" }\nwith = { prices = [] }\n"];
    member_that_is_no_list: ["[reduce.stats]\ncall = \"shop.stats\"\nover = \"food\"\nby = [\"kind\"]\nfrom = { prices = \"price\" }\n"];
    member_of_another_type: ["[reduce.sizes]\ncall = \"shop.mean\"\nover = \"page\"\nby = []\nfrom = { prices = \"size\" }\n"];
    member_that_is_not_there: ["[reduce.sizes]\ncall = \"shop.mean\"\nover = \"page\"\nby = []\n"];
    rows_of_a_reduce_without_a_list: [STATS, "rows = true\n"];
    reduce_of_an_unknown_function: [STATS.replace("shop.stats", "shop.stat"), transform("net", "net", "stats", "from = { price = \"mean\" }"), "[union.u]\nof = [\"stats\"]\n", transform("other", "net", "u", "from = { price = \"mean\" }")];
    combine_that_does_not: [TOTAL.replace("shop.add", "shop.first")];
    combine_of_an_unknown_function: [TOTAL.replace("shop.add", "shop.ad"), transform("net", "net", "total", "from = { price = \"mean\" }")];
    result_of_what_is_combined: [TOTAL, transform("net", "net", "food", "from = { price = \"total.mean\" }")];
    pin_of_a_reduce_and_a_transform: [STATS, "cache = { pin = \"a\" }\n", transform("net", "net", "food", "cache = { pin = \"a\" }")];
    pin_of_a_state_and_a_transform: [SESSION.replace("with", "from = { clicks = \"n\" }\ncache = { pin = \"a\" }\nwith"), transform("net", "net", "food", "cache = { pin = \"a\" }")];

    // Unions
    union_of_two_types: ["[union.all]\nof = [\"net\", \"page\"]\n", transform("net", "parts", "food", "rows = true"), transform("text", "whole", "page", "with = { price = 1.0 }"), transform("again", "name", "all", "from = { name = \"text\" }")];
    union_without_a_column_in_one: ["[union.all]\nof = [\"bit\", \"page\"]\n", transform("bit", "parts", "food", "rows = true"), transform("again", "name", "all", "from = { name = \"all.text\" }")];
    union_without_a_column_in_any: ["[union.all]\nof = [\"bit\", \"page\"]\n", transform("bit", "parts", "page", "rows = true"), transform("again", "name", "all", "from = { name = \"heading\" }")];
    union_of_another_type: ["[union.all]\nof = [\"bit\", \"page\"]\n", transform("bit", "parts", "page", "rows = true"), transform("again", "net", "all", "from = { price = \"size\" }")];
    union_of_unions_of_two_types: [
        "[union.one]\nof = [\"bit\"]\n[union.two]\nof = [\"page\"]\n[union.all]\nof = [\"one\", \"two\"]\n",
        transform("bit", "parts", "food", "rows = true"),
        "[target.t]\nkind = \"sqlite\"\npath = \"a\"\nrows = \"all\"\nkey = [\"a\"]\ncolumns = { a = \"content\", b = \"text\" }\n",
    ];

    // Lookups
    lookup_of_no_option: [transform("net", "net", "food", "lookup = { price = { in = \"company\", key = \"company-id\" } }")];
    lookup_of_many_of_no_list: [looks_up("company = { in = \"company\", key = \"company-id\", many = true }")];
    lookup_of_no_parameter: [looks_up("firm = { in = \"company\", key = \"company-id\" }")];
    lookup_and_from: [looks_up("company = { in = \"company\", key = \"company-id\" }"), "from = { company = \"company\" }\n"];
    lookup_by_no_key_of_the_collection: [looks_up("company = { in = \"tools\", key = \"company-id\" }")];
    lookup_by_too_many_columns: [looks_up("company = { in = \"company\", key = [\"company-id\", \"kind\"] }")];
    lookup_by_a_key_that_is_not_there: [transform("label", "label", "page", "lookup = { name = { in = \"page-copy\", key = \"pat\", on = \"contents\", take = \"content\" } }"), "[source.page-copy]\nkind = \"files\"\nroot = \"b\"\n"];
    lookup_by_two_types: [transform("label", "label", "page", "lookup = { name = { in = \"page-copy\", key = \"size\", on = \"path\", take = \"content\" } }"), "[source.page-copy]\nkind = \"files\"\nroot = \"b\"\n"];
    lookup_of_a_field_that_is_not_there: [looks_up("company = { in = \"page\", key = \"file\" }")];
    lookup_of_a_field_of_another_type: [looks_up("company = { in = \"bit\", key = \"file\", on = \"id\" }"), transform("bit", "parts", "page", "rows = true\nfrom = { name = \"path\" }"), transform("id", "name", "bit", "from = { name = \"text\" }")];
    lookup_that_does_not_say_what_to_take: [transform("label", "label", "food", "lookup = { name = { in = \"page\", key = \"file\" } }")];
    lookup_that_takes_another_type: [transform("label", "label", "food", "lookup = { name = { in = \"page\", key = \"file\", take = \"size\" } }")];
    lookup_that_takes_nothing: [transform("label", "label", "food", "lookup = { name = { in = \"page\", key = \"file\", take = \"title\" } }")];

    // State
    state_of_a_function_without: [SESSION.replace("shop.session", "shop.no-state").replace("with = { gap = 30 }\n", "")];
    state_that_is_given: [SESSION.replace("gap = 30", "gap = 30, state = 3")];
    state_that_gets_no_rows: [SESSION.replace("shop.session", "shop.blind").replace("with = { gap = 30 }\n", "")];
    state_of_single_values: [SESSION.replace("with = { gap = 30 }\n", "")];
    state_of_unknown_columns: [SESSION.replace("\"food\"", "\"page\"")];
    state_of_an_unknown_function: [SESSION.replace("shop.session", "shop.sessions"), transform("net", "net", "session", "from = { price = \"first\" }")];
    state_of_a_field_of_another_type: [SESSION, transform("net", "net", "session", "from = { price = \"first\" }")];
}
