//! The example of rows that meet: what an edit of any of its sources asks for, and no more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flowstone_tests::Project;

use crate::support::calls_of_run;

/// The example in a folder of its own; its plugin is built where it is.
struct Shop {
    project: Project,
}

impl Shop {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let project = Project::new();
        let flow = fs::read_to_string(root.join("examples/shop/flow.toml")).expect("it is there");
        let plugins = root.join("plugins");
        let flow = flow.replace("../../plugins", plugins.to_str().expect("the path is text"));
        fs::write(project.path("flow.toml"), flow).expect("the project takes files");
        fs::create_dir(project.path("data")).expect("the project takes folders");
        for file in ["food.csv", "tools.csv", "companies.db"] {
            let from = root.join("examples/shop/data").join(file);
            fs::copy(from, project.path("data").join(file)).expect("the project takes files");
        }
        Self { project }
    }

    fn data(&self, file: &str) -> PathBuf {
        self.project.path("data").join(file)
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.data(file)).expect("it is there");
        assert!(text.contains(from), "{text}");
        fs::write(self.data(file), text.replace(from, to)).expect("the project takes files");
    }

    fn company(&self, statement: &str) {
        let database = rusqlite::Connection::open(self.data("companies.db"));
        let database = database.expect("it is a database");
        database
            .execute_batch(statement)
            .expect("the statement is right");
    }

    fn run(&self) -> BTreeMap<String, u64> {
        calls_of_run(&self.project)
    }

    /// The calls of a run, with the additions of the total apart: how many there are is for the tree to say.
    fn run_apart(&self) -> (Vec<(String, u64)>, u64) {
        let mut calls = self.run();
        let additions = calls.remove("worth.combine").unwrap_or_default();
        (calls.into_iter().collect(), additions)
    }

    fn one(&self, query: &str) -> i64 {
        let database = rusqlite::Connection::open(self.project.path("out/shop.db"));
        let database = database.expect("it is a database");
        let value = database.query_row(query, [], |row| row.get(0));
        value.expect("the query is right")
    }
}

fn calls(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn every_edit_asks_for_the_calls_that_hang_on_it() {
    let shop = Shop::new();
    let first = shop.run();
    assert_eq!(first["offer"], 22);
    assert_eq!(first["worth.combine"], 19, "20 products in stock");
    assert!(shop.run().is_empty());

    // A price: the offer, the figures of its company, and how all offers of that stand beside them.
    shop.edit("food.csv", "dairy,139,80", "dairy,149,80");
    let (made, additions) = shop.run_apart();
    assert_eq!(
        made,
        calls(&[("deal", 3), ("offer", 1), ("stats", 1), ("worth", 1)])
    );
    assert!((1..=12).contains(&additions), "{additions}");
    assert_eq!(
        shop.one("SELECT mean FROM company WHERE company = 'dairy'"),
        576
    );

    // A name: nobody computes with it.
    shop.edit("tools.csv", "\"Axe\"", "\"Felling axe\"");
    assert!(shop.run().is_empty());
    assert_eq!(
        shop.one("SELECT count(*) FROM product WHERE name = 'Felling axe'"),
        1
    );

    // A company's discount: its products, and what hangs on these.
    shop.company("UPDATE company SET discount = 10 WHERE id = 'mill'");
    let (made, _) = shop.run_apart();
    assert_eq!(
        made,
        calls(&[("deal", 3), ("offer", 3), ("stats", 1), ("worth", 3)])
    );

    // A company that appears: the products that looked it up in vain.
    shop.company("INSERT INTO company VALUES ('orchard', 'Orchard', 50)");
    let (made, _) = shop.run_apart();
    assert_eq!(
        made,
        calls(&[("deal", 3), ("offer", 3), ("stats", 1), ("worth", 2)])
    );
    assert_eq!(
        shop.one("SELECT offer FROM product WHERE id = 'honey'"),
        375
    );

    // One that nobody has: nothing.
    shop.company("INSERT INTO company VALUES ('nobody', 'Nobody', 50)");
    assert!(shop.run().is_empty());

    // Sold out: no longer in the total, still among the figures.
    let before = shop.one("SELECT products FROM total");
    shop.edit("tools.csv", "forge,8900,3", "forge,8900,0");
    let (made, _) = shop.run_apart();
    assert_eq!(made, calls(&[]));
    assert_eq!(shop.one("SELECT products FROM total"), before - 1);

    // A product that goes: the figures without it.
    shop.edit("food.csv", "tea,\"Green tea\",harbour,560,15\n", "");
    let (made, _) = shop.run_apart();
    assert_eq!(made, calls(&[("deal", 3), ("stats", 1)]));
    assert_eq!(shop.one("SELECT count(*) FROM product"), 21);
}

#[test]
fn what_is_left_is_what_a_fresh_build_gives() {
    let shop = Shop::new();
    shop.run();
    shop.edit("food.csv", "dairy,139,80", "harbour,149,0");
    shop.company("DELETE FROM company WHERE id = 'forge'");
    shop.run();
    let fresh = Shop::new();
    for file in ["food.csv", "tools.csv", "companies.db"] {
        fs::copy(shop.data(file), fresh.data(file)).expect("the project takes files");
    }
    fresh.run();
    let all = |shop: &Shop| -> Vec<Vec<String>> {
        ["product", "company", "total"]
            .map(|table| rows(&shop.project.path("out/shop.db"), table))
            .into()
    };
    assert_eq!(all(&shop), all(&fresh));
}

fn rows(database: &Path, table: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(database).expect("it is a database");
    let mut query = database
        .prepare(&format!("SELECT * FROM {table} ORDER BY 1"))
        .expect("the table is there");
    let columns = query.column_count();
    let rows = query.query_map([], |row| {
        let cell = |at| {
            row.get::<_, rusqlite::types::Value>(at)
                .map(|cell| format!("{cell:?}"))
        };
        (0..columns).map(cell).collect::<Result<Vec<_>, _>>()
    });
    let rows = rows.expect("the table can be read");
    rows.map(|row| row.expect("the row can be read").join("|"))
        .collect()
}
