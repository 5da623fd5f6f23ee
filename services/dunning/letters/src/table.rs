//! Tables in plain text.

use crate::wrap::{WIDTH, lines, width};

/// Columns between the first, which is left-aligned, and the others, which are right-aligned.
const GAP: usize = 2;

/// A table with a heading and a line under it. Every row has as many cells as the heading. If it does not fit, the first
/// cell of each row gets a line of its own.
pub(crate) fn text_table(heading: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(heading).chain(rows.iter().map(Vec::as_slice));
    let column = |index: usize| {
        all()
            .filter_map(|row| row.get(index))
            .map(|cell| width(cell))
            .max()
    };
    let mut widths: Vec<usize> = (0..heading.len())
        .map(|index| column(index).unwrap_or(0))
        .collect();
    let full = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let tall = full > WIDTH;
    let others = full - widths.first().copied().unwrap_or_default();
    if let Some(first) = widths.first_mut() {
        // What is left of the line; at least an indentation.
        *first = WIDTH.saturating_sub(others).max(GAP);
    }
    let mut text = Vec::with_capacity(rows.len() + 2);
    for (index, row) in all().enumerate() {
        if tall {
            text.extend(row.first().cloned());
        }
        text.push(text_row(row, &widths, tall));
        if index == 0 {
            text.push("-".repeat(WIDTH));
        }
    }
    text.join("\n")
}

fn text_row(row: &[String], widths: &[usize], first_is_above: bool) -> String {
    let mut line = String::new();
    for (index, (cell, columns)) in row.iter().zip(widths).enumerate() {
        let cell = if index == 0 && first_is_above {
            ""
        } else {
            cell
        };
        let blanks = " ".repeat(columns.saturating_sub(width(cell)));
        if index == 0 {
            line.push_str(cell);
            line.push_str(&blanks);
        } else {
            line.push_str(&" ".repeat(GAP));
            line.push_str(&blanks);
            line.push_str(cell);
        }
    }
    line
}

/// A label and an amount at the right edge; a long label takes several lines, the amount stands on the last.
pub(crate) fn text_amount(label: &str, amount: &str) -> String {
    let room = WIDTH.saturating_sub(width(amount) + GAP);
    let mut label_lines = lines(label, room);
    let last = label_lines.pop().unwrap_or_default();
    let blanks = WIDTH.saturating_sub(width(&last) + width(amount)).max(1);
    label_lines.push(format!("{last}{}{amount}", " ".repeat(blanks)));
    label_lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn a_table_fills_the_width_and_aligns_umlauts_as_one_column() {
        let table = text_table(&cells("Größe|ä"), &[cells("x|12")]);
        for line in table.lines() {
            assert_eq!(width(line), WIDTH, "{line:?}");
        }
    }

    #[test]
    fn a_table_that_does_not_fit_puts_the_first_cell_above() {
        let long = "R".repeat(80);
        let table = text_table(&cells("number|open"), &[vec![long.clone(), "1.00".into()]]);
        let lines: Vec<&str> = table.lines().collect();
        let right = |text: &str| format!("{text:>WIDTH$}");
        assert_eq!(
            lines,
            [
                "number",
                &right("open"),
                &"-".repeat(WIDTH),
                &long,
                &right("1.00")
            ]
        );
    }

    #[test]
    fn an_amount_stands_at_the_right_edge_of_the_last_line_of_its_label() {
        let line = text_amount(&"word ".repeat(30), "1.00");
        assert!(line.lines().count() > 1);
        assert_eq!(line.lines().last().map(width), Some(WIDTH));
        assert!(line.ends_with(" 1.00"));
    }
}
