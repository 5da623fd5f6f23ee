//! The report as plain text in lines of at most 100 columns.

use super::{Block, Report, Table};

/// Longest line.
pub(super) const WIDTH: usize = 100;
/// Least space between columns, and most.
const GAPS: (usize, usize) = (2, 6);

/// The report as lines.
pub(in super::super) fn lines(report: &Report) -> String {
    let mut page = Page::default();
    page.line(&report.title);
    for section in &report.sections {
        page.title(&section.title);
        let mut before = None;
        for block in &section.blocks {
            if matches!(block, Block::Chart(_)) {
                continue;
            }
            // A table stands by itself.
            let is_table = matches!(block, Block::Table(_));
            if before.is_some_and(|before| before || is_table) {
                page.line("");
            }
            before = Some(is_table);
            page.block(block);
        }
    }
    page.text
}

/// Text that is written line by line.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn title(&mut self, title: &str) {
        self.line("");
        self.line(title);
        self.line(&"-".repeat(title.chars().count()));
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Paragraph(text) => self.wrapped("", text),
            Block::Point { mark, text } if mark.is_empty() => self.wrapped("  ", text),
            Block::Point { mark, text } => self.wrapped(&format!("  {mark}  "), text),
            Block::Table(table) => self.table(table),
            Block::Chart(_) => {}
            Block::Commands(lines) => {
                for line in lines {
                    self.line(&format!("  {line}"));
                }
            }
            Block::Letter { subject, text, .. } => {
                self.line(&format!("| {subject}"));
                self.line("|");
                for line in text.lines() {
                    self.line(&format!("| {line}"));
                }
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let rows = || std::iter::once(&table.head).chain(&table.rows);
        let figures = table.head.len() - usize::from(table.ends_with_words);
        let widths: Vec<usize> = (0..figures)
            .map(|column| {
                let cells = rows().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let needed: usize = widths.iter().sum();
        let gap = WIDTH.saturating_sub(needed) / widths.len().max(1);
        let gap = gap.clamp(GAPS.0, GAPS.1);
        for row in rows() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("{cell:>wide$}", wide = width + gap));
                }
            }
            match row.get(figures) {
                Some(words) => self.wrapped(&format!("{line}  "), words),
                None => self.line(&line),
            }
        }
    }

    /// Words in lines that are not too long, the later ones indented.
    fn wrapped(&mut self, first: &str, words: &str) {
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

    #[test]
    fn columns_of_figures_stand_below_each_other() {
        let mut page = Page::default();
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        page.table(&Table {
            caption: String::new(),
            head: row(["", "one", "words"]),
            rows: vec![
                row(["a", "1,000", "few"]),
                row(["longer", "2", "many more"]),
            ],
            ends_with_words: true,
        });
        let lines: Vec<_> = page.text.lines().collect();
        assert_eq!(lines[1].find("few"), lines[2].find("many more"));
        assert_eq!(lines[1].find("1,000").map(|at| at + 4), lines[2].find('2'));
    }
}
