//! The tables of requirements name tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

fn sources_below(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources_below(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

#[test]
fn every_test_that_the_tables_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    sources_below(&root.join("src"), &mut sources);
    sources_below(&root.join("tests"), &mut sources);
    let words = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let texts: Vec<String> = sources.iter().map(words).collect();
    let table = fs::read_to_string(root.join("tests/it/RFC9112.md")).unwrap();
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
