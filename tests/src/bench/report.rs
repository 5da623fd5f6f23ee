//! What the measurements gave, and how it is printed.

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    /// Rates.
    pub lines: Vec<Line>,
    /// What is no rate, a line each.
    pub notes: Vec<String>,
}

/// A rate.
pub struct Line {
    /// What was done.
    pub what: String,
    /// What is counted.
    pub unit: &'static str,
    /// Rate of the floor per second, if there is one.
    pub floor: Option<f64>,
    /// Rate per second.
    pub rate: f64,
    /// Least ratio of rate to floor, if there is one.
    pub budget: Option<f64>,
    /// Median and 99th percentile in microseconds of the floor and of the thing, where calls were timed.
    pub latency: Option<[(u64, u64); 2]>,
}

impl Line {
    /// A rate without a floor.
    pub fn alone(what: &str, unit: &'static str, rate: f64) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            floor: None,
            rate,
            budget: None,
            latency: None,
        }
    }

    fn print(&self) {
        let ratio = self.floor.map(|floor| self.rate / floor);
        let missed = ratio
            .zip(self.budget)
            .is_some_and(|(ratio, budget)| ratio < budget);
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let latency = self.latency.map_or_else(String::new, |[floor, own]| {
            format!(
                "{}/{}, {}/{} (p99 ×{:.2})",
                floor.0,
                floor.1,
                own.0,
                own.1,
                own.1 as f64 / floor.1 as f64
            )
        });
        println!(
            "{:<60} {:>10} {:>10.0} {:>7} {:>7}  {latency}{}",
            format!("{} [{}]", self.what, self.unit),
            number(self.floor, 0),
            self.rate,
            number(ratio, 2),
            number(self.budget, 2),
            if missed { "  MISSED" } else { "" }
        );
    }
}

impl Report {
    /// Prints the table and the notes.
    pub fn print(&self) {
        println!(
            "\n{:<60} {:>10} {:>10} {:>7} {:>7}  p50/p99 µs: floor, measured",
            "what", "floor/s", "measured/s", "ratio", "budget"
        );
        for line in &self.lines {
            line.print();
        }
        if !self.notes.is_empty() {
            println!();
        }
        for note in &self.notes {
            println!("{note}");
        }
    }
}
