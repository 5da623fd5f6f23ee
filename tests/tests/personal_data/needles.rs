//! What must not be found: pieces of everything personal and secret that a run has stored.

use std::{collections::BTreeMap, path::Path};

use aho_corasick::AhoCorasick;
use e2e::service::Service;
use mahnwerk_runtime::db::Db;

use super::columns::{self, PERSONAL};

/// Shortest needle, in characters. A needle is looked for as a part of anything, so shorter ones would be found in words of
/// the program.
const SHORTEST: usize = 6;
/// Fewest letters of a line of a letter: what is shorter is the heading of a column. Names and addresses are needles of
/// their own.
const SHORTEST_LINE: usize = 16;
/// Longest needle, in characters: a text that is cut short is found as well.
const LONGEST: usize = 40;

/// Needles, each with where it comes from.
#[derive(Default)]
pub struct Needles {
    all: BTreeMap<String, String>,
    /// How many were read, by origin: the same may come from many.
    counts: BTreeMap<String, usize>,
    /// What is too short to be looked for, though it is no line of a letter.
    left_out: BTreeMap<String, String>,
    short_lines: usize,
}

impl Needles {
    /// Of everything that the databases hold. Fails for a column of which nobody has said whether it is personal.
    pub async fn read(&mut self, service: Service, db: &Db) {
        let unknown = columns::unknown(service, db).await;
        assert!(
            unknown.is_empty(),
            "say in columns.rs whether these hold personal data: {unknown:#?}"
        );
        for personal in PERSONAL.iter().filter(|it| it.service == service) {
            let origin = origin(personal);
            for value in columns::values(db, personal).await {
                if personal.is_letter {
                    self.letter(&origin, &value);
                } else {
                    self.words(&origin, &value);
                }
            }
        }
    }

    /// The lines of all templates of letters.
    pub fn templates(&mut self) {
        let directory = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../services/dunning/letters/templates"
        );
        self.templates_in(Path::new(directory));
    }

    fn templates_in(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).expect("the templates") {
            let path = entry.expect("a template").path();
            if path.is_dir() {
                self.templates_in(&path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a template");
            self.letter("template", &text);
        }
    }

    /// A name, an address, or what somebody wrote.
    pub fn words(&mut self, origin: &str, text: &str) {
        for piece in pieces(text) {
            if piece.chars().count() < SHORTEST {
                self.left_out.insert(piece.to_owned(), origin.to_owned());
            } else {
                self.insert(origin, piece);
            }
        }
    }

    fn letter(&mut self, origin: &str, text: &str) {
        for piece in pieces(text) {
            if piece.chars().filter(|it| it.is_alphabetic()).count() < SHORTEST_LINE {
                self.short_lines += 1;
            } else {
                self.insert(origin, piece);
            }
        }
    }

    /// A token: its claims and its signature. Its header is the same in many.
    pub fn token(&mut self, origin: &str, token: &str) {
        for part in token.trim().split('.').skip(1) {
            self.words(origin, part);
        }
    }

    fn insert(&mut self, origin: &str, piece: &str) {
        let piece: String = piece.chars().take(LONGEST).collect();
        let piece = piece.trim_end().to_owned();
        *self.counts.entry(origin.to_owned()).or_default() += 1;
        self.all.entry(piece).or_insert_with(|| origin.to_owned());
    }

    /// How many were read of each origin.
    pub fn counts(&self) -> &BTreeMap<String, usize> {
        &self.counts
    }

    /// What was left out because it is too short.
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        &self.left_out
    }

    /// How many lines of letters were left out.
    pub fn short_lines(&self) -> usize {
        self.short_lines
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// What finds them all in one pass.
    pub fn finder(&self) -> Finder<'_> {
        Finder {
            machine: AhoCorasick::new(self.all.keys()).expect("an automaton"),
            needles: self.all.iter().collect(),
        }
    }
}

/// How a column is called in reports.
pub fn origin(personal: &columns::Personal) -> String {
    let columns::Personal {
        service,
        table,
        column,
        ..
    } = personal;
    format!("{} {table}.{column}", service.name())
}

/// Lines, cut at what logs and messages escape.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let is_escaped = |it: char| it.is_control() || matches!(it, '"' | '\\' | '\'');
    let pieces = text.split(is_escaped).map(str::trim);
    pieces.filter(|piece| piece.chars().any(char::is_alphanumeric))
}

/// Finds needles.
pub struct Finder<'a> {
    machine: AhoCorasick,
    needles: Vec<(&'a String, &'a String)>,
}

impl Finder<'_> {
    /// The needles in a piece of what was captured: each with its origin and where it begins.
    pub fn find<'f>(
        &'f self,
        haystack: &'f [u8],
    ) -> impl Iterator<Item = (&'f str, &'f str, usize)> {
        self.machine.find_iter(haystack).map(|found| {
            let (needle, origin) = self.needles[found.pattern().as_usize()];
            (needle.as_str(), origin.as_str(), found.start())
        })
    }
}
