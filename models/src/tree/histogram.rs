//! Sums of moments by column and bin.

use super::fixed::{Cell, EMPTY, add, less};

/// Cells of one column: one a bin, the missing one last, and four unused, for columns a multiple of 4 KiB apart
/// would meet in the same places of the first cache.
const CELLS: usize = 260;

#[derive(Clone)]
pub(crate) struct Cells([Cell; CELLS]);

impl Cells {
    pub(crate) const EMPTY: Self = Self([EMPTY; CELLS]);

    /// The cells of the first `bins` bins.
    pub(crate) fn values(&self, bins: usize) -> &[Cell] {
        self.0.get(..bins).unwrap_or(&self.0)
    }

    #[expect(clippy::indexing_slicing, reason = "a u8 indexes 260 cells")]
    pub(crate) fn of(&self, bin: u8) -> Cell {
        self.0[usize::from(bin)]
    }

    #[expect(clippy::indexing_slicing, reason = "a u8 indexes 260 cells")]
    pub(crate) fn put(&mut self, bin: u8, cell: Cell) {
        let held = &mut self.0[usize::from(bin)];
        held[0] = held[0].wrapping_add(cell[0]);
        held[1] = held[1].wrapping_add(cell[1]);
    }
}

/// One [`Cells`] a column.
#[derive(Clone)]
pub(crate) struct Histogram(pub(crate) Vec<Cells>);

impl Histogram {
    pub(crate) fn empty(columns: usize) -> Self {
        Self(vec![Cells::EMPTY; columns])
    }

    /// What one of so many columns takes.
    pub(crate) fn bytes(columns: usize) -> usize {
        columns.max(1) * size_of::<Cells>()
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(Cells::EMPTY);
    }

    /// Adds one row to every column.
    pub(crate) fn put(&mut self, bins: &[u8], cell: Cell) {
        for (cells, &bin) in self.0.iter_mut().zip(bins) {
            cells.put(bin, cell);
        }
    }

    /// Adds one row to some columns.
    pub(crate) fn put_some(&mut self, columns: &[usize], bins: &[u8], cell: Cell) {
        for &column in columns {
            if let (Some(cells), Some(&bin)) = (self.0.get_mut(column), bins.get(column)) {
                cells.put(bin, cell);
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.with(other, add);
    }

    /// What a parent holds less one child is the other child, exactly.
    pub(crate) fn subtract(&mut self, child: &Self) {
        self.with(child, less);
    }

    fn with(&mut self, other: &Self, combine: fn(Cell, Cell) -> Cell) {
        for (held, given) in self.0.iter_mut().zip(&other.0) {
            for (held, given) in held.0.iter_mut().zip(&given.0) {
                *held = combine(*held, *given);
            }
        }
    }
}
