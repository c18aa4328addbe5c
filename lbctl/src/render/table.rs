//! Tables with aligned columns.

use super::{Paint, Tone};

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

/// Rows under a heading.
#[derive(Clone, Debug)]
pub struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Cell {
    /// A cell in a tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Table {
    /// A table with these headings.
    pub fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The text; each line ends with a newline, none ends with a blank.
    pub fn render(&self, paint: Paint) -> String {
        let heading = self.heading.iter().map(|text| Cell::new(*text, Tone::Strong)).collect();
        let lines: Vec<&Vec<Cell>> = std::iter::once(&heading).chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.heading.len())
            .map(|column| lines.iter().filter_map(|line| line.get(column)).map(width).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for line in lines {
            let mut padding = 0;
            for (cell, column) in line.iter().zip(&widths) {
                if !cell.text.is_empty() {
                    out.extend(std::iter::repeat_n(' ', padding));
                    out.push_str(&paint.text(cell.tone, &cell.text));
                    padding = 0;
                }
                padding += column - width(cell) + 2;
            }
            out.push('\n');
        }
        out
    }
}

fn width(cell: &Cell) -> usize {
    cell.text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let mut table = Table::new(&["A", "LONG", "C"]);
        table.row(vec!["wide one".into(), "".into(), "x".into()]);
        table.row(vec!["é".into(), "2".into(), "".into()]);
        assert_eq!(table.render(Paint::Plain), "A         LONG  C\nwide one        x\né         2\n");
    }

    #[test]
    fn colour_does_not_move_columns() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec![Cell::new("up", Tone::Good), "1".into()]);
        let plain = table.render(Paint::Plain);
        let colour = table.render(Paint::Colour);
        assert_ne!(plain, colour);
        assert_eq!(colour.replace("\u{1b}[1m", "").replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), plain);
    }
}
