//! The table that is printed: row, figure, floor, ratio, bar, and whether the bar holds.

use std::{fmt, time::Duration};

/// One measured figure.
pub struct Row {
    /// What was measured.
    pub name: String,
    /// What it came to.
    pub figure: Figure,
    /// What the same work costs at least, measured beside it.
    pub floor: Option<Figure>,
    /// What it may come to; none where it is printed for comparison.
    pub bar: Option<Figure>,
    /// How the figure, the floor and the bar were come by.
    pub how: String,
}

/// A measured amount.
#[derive(Clone, Copy)]
pub enum Figure {
    Time(Duration),
    Count(f64),
    Mebibytes(f64),
}

impl Figure {
    fn amount(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64(),
            Self::Count(amount) | Self::Mebibytes(amount) => amount,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Time(time) if *time < Duration::from_millis(1) => format!("{:.1} µs", time.as_secs_f64() * 1e6),
            Self::Time(time) => format!("{:.2} ms", time.as_secs_f64() * 1e3),
            Self::Count(amount) => format!("{amount:.2}"),
            Self::Mebibytes(amount) => format!("{amount:.1} MiB"),
        };
        f.pad(&text)
    }
}

#[derive(Default)]
pub struct Table {
    words: Vec<String>,
    rows: Vec<Row>,
}

impl Table {
    pub fn new(words: Vec<String>) -> Self {
        Self { words, rows: vec![] }
    }

    pub fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    pub fn row(
        &mut self,
        name: impl Into<String>,
        figure: Figure,
        floor: Option<Figure>,
        bar: Option<Figure>,
        how: impl Into<String>,
    ) {
        let name = name.into();
        // what a later row's failure would take with it
        eprintln!("  {name}: {figure}");
        self.rows.push(Row { name, figure, floor, bar, how: how.into() });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
        writeln!(f, "{:wide$}  {:>11}  {:>11}  {:>6}  {:>11}  bar holds", "row", "figure", "floor", "ratio", "bar")?;
        for row in &self.rows {
            let show = |figure: Option<Figure>| figure.map_or_else(|| "-".to_string(), |figure| figure.to_string());
            let ratio =
                row.floor.filter(|floor| floor.amount() > 0.0).map(|floor| row.figure.amount() / floor.amount());
            let ratio = ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"));
            let holds = row.bar.map_or("-", |bar| if row.figure.amount() <= bar.amount() { "yes" } else { "NO" });
            let (floor, bar) = (show(row.floor), show(row.bar));
            writeln!(f, "{:wide$}  {:>11}  {floor:>11}  {ratio:>6}  {bar:>11}  {holds:9}", row.name, row.figure)?;
        }
        writeln!(f)?;
        for row in &self.rows {
            writeln!(f, "{}: {}", row.name, row.how)?;
        }
        Ok(())
    }
}

/// The value below which a share (0 to 1) of the times lies.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = (times.len().saturating_sub(1) as f64 * share).round() as usize;
    times.get(at).copied().unwrap_or_default()
}

pub fn median(times: &mut [Duration]) -> Duration {
    quantile(times, 0.5)
}
