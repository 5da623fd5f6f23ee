//! Writes every letter, in every language and tone, as text and HTML into a directory: `letters DIRECTORY`.

use std::path::Path;
use std::{env, fs, process};

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let Some(directory) = env::args().nth(1) else {
        eprintln!("usage: letters DIRECTORY");
        process::exit(64);
    };
    if let Err(error) = write_all(Path::new(&directory)) {
        eprintln!("{error}");
        process::exit(1);
    }
}

fn write_all(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(directory)?;
    let letters = support::every_letter()
        .into_iter()
        .chain(support::special_letters());
    for (name, letter) in letters {
        let rendered = dunning_letters::render(&letter)?;
        let text = format!("Subject: {}\n\n{}", rendered.subject, rendered.text);
        fs::write(directory.join(format!("{name}.txt")), text)?;
        fs::write(directory.join(format!("{name}.html")), rendered.html)?;
    }
    Ok(())
}
