//! The tables of requirements name tests that exist.

use std::path::PathBuf;

use test_support::repository::{read, rust_files};

#[test]
fn every_test_that_the_tables_name_exists() {
    let words = |path: PathBuf| {
        let text = read(path);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let sources = ["src", "tests"].into_iter().flat_map(rust_files);
    let texts: Vec<String> = sources.map(words).collect();
    let table = read("tests/it/RFC9112.md");
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| §"));
    // Files are named as well.
    let is_test = |name: &&str| !name.contains(['/', '.']);
    let mut named = 0;
    for row in rows {
        let columns = row.split(" | ").skip(1);
        let names = columns.flat_map(|tests| tests.split('`').skip(1).step_by(2));
        for name in names.filter(is_test) {
            let test = format!("#[test] fn {name}()");
            let exists = |text: &String| text.contains(&test);
            assert!(texts.iter().any(exists), "no test is called {name}");
            named += 1;
        }
    }
    assert!(
        named > 30,
        "the table has changed its form: only {named} tests found"
    );
}
