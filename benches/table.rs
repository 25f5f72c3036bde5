//! The table that a run prints.
//!
//! Invariant: one row for each figure, in the order in which they were measured.

/// What was measured, what was hoped for, what came out.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    pub(crate) fn row(&mut self, figure: &str, target: &str, measured: String) {
        eprintln!("{figure}: {measured}");
        self.rows.push([figure.to_owned(), target.to_owned(), measured]);
    }

    /// As Markdown.
    pub(crate) fn print(&self) {
        println!("| figure | target | measured: median (least to most) |\n|---|---|---|");
        for [figure, target, measured] in &self.rows {
            println!("| {figure} | {target} | {measured} |");
        }
    }
}
