//! Charts as shapes: where every bar, line and label is, in pixels. What they look like is the page's matter.

use serde::Serialize;

use crate::output::count_text;

/// Width of every chart.
const WIDTH: i64 = 720;
/// Height of the bars of a chart of columns.
const HEIGHT: i64 = 220;
/// Room for a letter of a row's name, for all of it, and for figures at the end of bars.
const LETTER: i64 = 7;
const NAMES: (i64, i64) = (40, 240);
const FIGURES: i64 = 70;
/// Height of a bar, and space between rows.
const BAR: i64 = 16;
const SPACE: i64 = 8;
/// Height of the line of text below columns.
const FOOT: i64 = 22;
/// Room for the scale beside columns.
const SCALE: i64 = 44;
/// Columns wider than this look like blocks.
const WIDEST_COLUMN: i64 = 44;

/// How the values of a row are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Form {
    /// A column each, its values upon each other.
    Columns,
    /// A bar each, its values one behind the other.
    Stacked,
    /// The same, every bar of the same length.
    Shares,
    /// A bar each value, all by one scale.
    Grouped,
    /// A bar each value, every row by its own scale.
    Contrasts,
}

/// Values by row and series.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    title: String,
    form: Form,
    series: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Not negative.
    values: Vec<i64>,
    /// The values as they are written.
    texts: Vec<String>,
}

impl Row {
    fn sum(&self) -> i64 {
        self.values.iter().sum()
    }

    fn highest(&self) -> i64 {
        self.values.iter().copied().max().unwrap_or(0)
    }
}

impl Chart {
    pub(super) fn new(title: &str, form: Form, series: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            form,
            series: series.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// A row of counts.
    pub(super) fn row(&mut self, name: &str, values: &[i64]) {
        let texts: Vec<String> = values.iter().copied().map(count_text).collect();
        self.worded_row(name, values, &texts);
    }

    /// A row of values that are not written as counts. What is negative is shown as nothing.
    pub(super) fn worded_row(&mut self, name: &str, values: &[i64], texts: &[String]) {
        self.rows.push(Row {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).max(0)).collect(),
            texts: texts.to_vec(),
        });
    }

    /// The chart as shapes; `None` if there is nothing to show.
    pub(super) fn drawing(&self) -> Option<Drawing> {
        if self.rows.iter().all(|row| row.sum() == 0) {
            return None;
        }
        let mut drawing = Drawing {
            title: self.title.clone(),
            description: self.description(),
            legend: self.series.clone(),
            width: WIDTH,
            ..Drawing::default()
        };
        match self.form {
            Form::Columns => self.draw_columns(&mut drawing),
            Form::Stacked | Form::Shares => self.draw_stacked(&mut drawing),
            Form::Grouped | Form::Contrasts => self.draw_grouped(&mut drawing),
        }
        Some(drawing)
    }

    fn description(&self) -> String {
        let first = self.rows.first().map_or("", |row| row.name.as_str());
        let last = self.rows.last().map_or("", |row| row.name.as_str());
        format!(
            "A bar chart of {}, from {first} to {last}. The table after it has the figures.",
            self.series.join(", ")
        )
    }

    fn draw_columns(&self, drawing: &mut Drawing) {
        let step = round_step(self.rows.iter().map(Row::sum).max().unwrap_or(1));
        let highest = self.rows.iter().map(Row::sum).max().unwrap_or(1);
        let top = (highest + step - 1) / step * step;
        let head = FOOT / 2;
        let height_of = |value: i64| value * HEIGHT / top;
        for mark in 0..=top / step {
            let y = head + HEIGHT - height_of(mark * step);
            drawing.lines.push(Line { x: SCALE, y });
            drawing.label(SCALE - 6, y + 4, Anchor::End, count_text(mark * step));
        }
        let slots = i64::try_from(self.rows.len()).unwrap_or(1).max(1);
        let slot = (WIDTH - SCALE) / slots;
        let width = (slot * 7 / 10).clamp(2, WIDEST_COLUMN);
        // Names of months need some room.
        let every = usize::try_from(56 / slot.max(1) + 1).unwrap_or(1);
        for (place, (number, row)) in (0_i64..).zip(self.rows.iter().enumerate()) {
            let x = SCALE + place * slot + (slot - width) / 2;
            let mut below = 0;
            for (series, value) in row.values.iter().enumerate() {
                let (from, to) = (height_of(below), height_of(below + value));
                below += value;
                let area = (x, head + HEIGHT - to, width, to - from);
                drawing.bar(area, series, self.tip(row, series));
            }
            if number % every == 0 {
                let middle = x + width / 2;
                drawing.label(middle, head + HEIGHT + 16, Anchor::Middle, row.name.clone());
            }
        }
        drawing.height = head + HEIGHT + FOOT;
    }

    fn draw_stacked(&self, drawing: &mut Drawing) {
        let names = self.room_for_names();
        let room = WIDTH - names - FIGURES;
        let highest = self.rows.iter().map(Row::sum).max().unwrap_or(1).max(1);
        let mut y = SPACE;
        for row in &self.rows {
            let (sum, shares) = (row.sum(), self.form == Form::Shares);
            let full = if shares { sum.max(1) } else { highest };
            let length_of = |value: i64| scaled(value, full, room);
            let mut before = 0;
            for (series, value) in row.values.iter().enumerate() {
                let (from, to) = (length_of(before), length_of(before + value));
                before += value;
                let area = (names + from, y, to - from, BAR);
                drawing.bar(area, series, self.tip(row, series));
            }
            drawing.label(names - 8, y + 12, Anchor::End, row.name.clone());
            if !shares {
                let x = names + length_of(sum) + 6;
                drawing.label(x, y + 12, Anchor::Start, count_text(sum));
            }
            y += BAR + SPACE;
        }
        drawing.height = y;
    }

    fn draw_grouped(&self, drawing: &mut Drawing) {
        let names = self.room_for_names();
        let room = WIDTH - names - FIGURES;
        let highest = self.rows.iter().map(Row::highest).max().unwrap_or(1);
        let mut y = SPACE;
        for row in &self.rows {
            drawing.label(names - 8, y + 12, Anchor::End, row.name.clone());
            let full = match self.form {
                Form::Contrasts => row.highest(),
                _ => highest,
            };
            for (series, (value, text)) in row.values.iter().zip(&row.texts).enumerate() {
                let length = scaled(*value, full.max(1), room);
                drawing.bar((names, y, length, BAR), series, self.tip(row, series));
                drawing.label(names + length + 6, y + 12, Anchor::Start, text.clone());
                y += BAR + 1;
            }
            y += SPACE;
        }
        drawing.height = y;
    }

    fn room_for_names(&self) -> i64 {
        let letters = self.rows.iter().map(|row| row.name.chars().count());
        let longest = i64::try_from(letters.max().unwrap_or(0)).unwrap_or(i64::MAX);
        (longest.saturating_mul(LETTER).saturating_add(16)).clamp(NAMES.0, NAMES.1)
    }

    /// What a bar says when it is pointed at.
    fn tip(&self, row: &Row, series: usize) -> String {
        let name = self.series.get(series).map_or("", String::as_str);
        let text = row.texts.get(series).map_or("", String::as_str);
        format!("{}, {name}: {text}", row.name)
    }
}

fn scaled(value: i64, full: i64, room: i64) -> i64 {
    let scaled = i128::from(value) * i128::from(room) / i128::from(full);
    i64::try_from(scaled).unwrap_or(room)
}

/// A round number of which four to ten make up the highest value.
fn round_step(highest: i64) -> i64 {
    let mut step = 1;
    loop {
        for factor in [1, 2, 5] {
            if step * factor * 5 >= highest {
                return step * factor;
            }
        }
        step *= 10;
    }
}

/// A chart as shapes.
#[derive(Debug, Default, Serialize)]
pub(super) struct Drawing {
    title: String,
    description: String,
    legend: Vec<String>,
    width: i64,
    height: i64,
    bars: Vec<Bar>,
    labels: Vec<Label>,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: i64,
    y: i64,
    width: i64,
    height: i64,
    series: usize,
    tip: String,
}

#[derive(Debug, Serialize)]
struct Label {
    x: i64,
    y: i64,
    anchor: Anchor,
    text: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Anchor {
    Start,
    Middle,
    End,
}

/// From here to the right edge.
#[derive(Debug, Serialize)]
struct Line {
    x: i64,
    y: i64,
}

impl Drawing {
    fn bar(&mut self, (x, y, width, height): (i64, i64, i64, i64), series: usize, tip: String) {
        if width > 0 && height > 0 {
            self.bars.push(Bar {
                x,
                y,
                width,
                height,
                series,
                tip,
            });
        }
    }

    fn label(&mut self, x: i64, y: i64, anchor: Anchor, text: String) {
        self.labels.push(Label { x, y, anchor, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_upon_each_other_leave_no_gap_and_reach_what_they_add_up_to() {
        let mut chart = Chart::new("t", Form::Columns, &["a", "b", "c"]);
        for month in 1..=18 {
            chart.row(&format!("2025-{month:02}"), &[7 * month, 3, month % 4]);
        }
        let drawing = chart.drawing().unwrap();
        let columns = drawing.bars.chunk_by(|one, other| one.x == other.x);
        let mut count = 0;
        for column in columns {
            count += 1;
            for pair in column.windows(2) {
                assert_eq!(pair[0].y, pair[1].y + pair[1].height);
            }
        }
        assert_eq!(count, 18);
        let inside = |bar: &Bar| bar.x >= SCALE && bar.x + bar.width <= WIDTH && bar.y >= 0;
        assert!(drawing.bars.iter().all(inside));
    }

    #[test]
    fn scales_are_round_and_have_few_marks() {
        for highest in [1, 3, 9, 10, 11, 49, 51, 800, 1_234_567] {
            let step = round_step(highest);
            assert!(
                (1..=5).contains(&((highest + step - 1) / step)),
                "{highest}"
            );
        }
    }

    #[test]
    fn a_chart_of_nothing_is_left_out_and_huge_amounts_are_drawn() {
        let mut chart = Chart::new("t", Form::Shares, &["a", "b"]);
        assert!(chart.drawing().is_none());
        chart.row("EUR", &[0, 0]);
        assert!(chart.drawing().is_none());
        chart.row("CHF", &[i64::MAX / 4, i64::MAX / 4]);
        chart.row("USD", &[-5, 5]);
        let drawing = chart.drawing().unwrap();
        let widths: Vec<_> = drawing.bars.iter().map(|bar| bar.width).collect();
        assert_eq!(widths, [305, 305, 610]);
    }
}
