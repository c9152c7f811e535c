//! Columns that no parameter asks for.

use flowstone_tests::Project;

#[test]
fn a_number_goes_from_one_database_to_another_as_its_text() {
    let mut project = Project::new();
    r#"
name = "copy"

[source.s]
kind = "sqlite"
path = "docs/a.db"
table = "a"
key = "id"

[target.items]
kind = "sqlite"
path = "out/lines.db"
table = "item"
rows = "s"
key = ["id"]
columns = { id = "s.id", body = "s.body", price = "s.price" }
"#
    .clone_into(&mut project.flow);
    let database = rusqlite::Connection::open(project.path("docs/a.db")).unwrap();
    let sql = "CREATE TABLE a (id INTEGER PRIMARY KEY, body TEXT, price REAL); INSERT INTO a VALUES (0, 'x', 1.5), (5, 'y', 2)";
    database.execute_batch(sql).unwrap();
    assert_eq!(project.run().report.failures, 0);
    assert_eq!(project.table("item"), ["0|x|1.5", "5|y|2.0"]);
    assert_eq!(project.run().report.sources["s"].unchanged, 2);
}
