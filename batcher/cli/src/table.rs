//! Tables of text with aligned columns.

use std::fmt;

use circuits_files::text::shown;

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lines of cells. Each column is as wide as its widest cell, and two spaces separate columns.
#[derive(Clone, Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Align; N],
    lines: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without titles.
    pub(crate) fn new(columns: [Align; N]) -> Self {
        Self { columns, lines: vec![] }
    }

    /// A table with a line of titles.
    pub(crate) fn with_titles(columns: [(&str, Align); N]) -> Self {
        let mut table = Self::new(columns.map(|(_, align)| align));
        table.push(columns.map(|(title, _)| title.to_owned()));
        table
    }

    /// Adds a line. Cells may come from outside.
    pub(crate) fn push(&mut self, cells: [String; N]) {
        self.lines.push(cells.map(|cell| shown(cell).to_string()));
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for line in &self.lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (index, line) in self.lines.iter().enumerate() {
            let mut text = String::new();
            for ((cell, width), align) in line.iter().zip(widths).zip(self.columns) {
                let padding = " ".repeat(width - cell.chars().count());
                match align {
                    Align::Left => text += &format!("{cell}{padding}  "),
                    Align::Right => text += &format!("{padding}{cell}  "),
                }
            }
            let end = if index + 1 < self.lines.len() { "\n" } else { "" };
            write!(f, "{}{end}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cells_and_lines_end_without_spaces() {
        let mut table =
            Table::with_titles([("name", Align::Left), ("rows", Align::Right), ("", Align::Left)]);
        table.push(["a".to_owned(), "2".to_owned(), "first".to_owned()]);
        table.push(["é longer".to_owned(), "12345".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "name       rows\na             2  first\né longer  12345");
    }
}
