//! Golden files: cases of a title, a situation, and what comes of it.
//!
//! ```text
//! == A title that is a sentence
//! one fact per line
//! --
//! what is printed
//! ```
//!
//! `UPDATE_GOLDEN=1` writes what is printed into the files; read the difference before you keep it.

use std::fs;
use std::path::Path;

/// Checks every case of every file in a directory below `tests`; returns how many there were.
pub fn check(directory: &str, work: impl Fn(&[&str]) -> String) -> usize {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(directory);
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut written = String::new();
        for (title, situation, expected) in parse(&text) {
            let printed = work(&situation);
            if !update {
                assert_eq!(
                    printed.trim(),
                    expected.trim(),
                    "{}: {title}",
                    file.display()
                );
            }
            written += &format!("== {title}\n{}\n--\n{printed}\n", situation.join("\n"));
            cases += 1;
        }
        if update {
            fs::write(&file, written.trim_end().to_owned() + "\n").unwrap();
        }
    }
    cases
}

fn parse(text: &str) -> Vec<(&str, Vec<&str>, String)> {
    text.split("== ")
        .filter(|case| !case.trim().is_empty())
        .map(|case| {
            let (title, rest) = case.split_once('\n').unwrap();
            let (situation, expected) = rest.split_once("--\n").unwrap_or((rest, ""));
            let lines = situation.lines().filter(|line| !line.trim().is_empty());
            (title, lines.collect(), expected.to_owned())
        })
        .collect()
}
