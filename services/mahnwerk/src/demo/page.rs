//! Plain text in lines of limited width.

use std::fmt::Write as _;

/// Longest line.
pub(super) const WIDTH: usize = 100;

/// Text that is written line by line.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn title(&mut self, title: &str) {
        self.line("");
        self.line(title);
        self.line(&"-".repeat(title.chars().count()));
    }

    /// A first column to the left, the others to the right.
    pub(super) fn row<T: AsRef<str>>(
        &mut self,
        first: &str,
        width: usize,
        others: &[T],
        other_width: usize,
    ) {
        let mut line = format!("{first:<width$}");
        for cell in others {
            let _ = write!(line, "{:>other_width$}", cell.as_ref());
        }
        self.line(&line);
    }

    /// Words in lines that are not too long, the later ones indented.
    pub(super) fn wrapped(&mut self, first: &str, words: &str) {
        let indent = first.chars().count();
        let mut line = first.to_owned();
        for word in words.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH
                && line.chars().count() > indent
            {
                self.line(&line);
                line = " ".repeat(indent);
            }
            if line.chars().count() > indent {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sentences_are_broken_at_words_and_indented() {
        let mut page = Page::default();
        page.wrapped("  - 12  ", &"word ".repeat(40));
        let lines: Vec<_> = page.text.lines().collect();
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(lines[1].starts_with("        word"));
    }
}
