//! One thread's rows: their bins, their moments, and which leaf each is in.

use super::bins::{Columns, MISSING};
use super::fixed::{Moment, Scale};
use super::histogram::Histogram;
use super::model::Tree;
use super::split::Way;

use ndarray::ArrayView2;

/// Rows that go to the lanes in turn: data in the order of time then burdens all of them alike.
const STRETCH: usize = 4_096;

/// Rows whose bins are fetched before they are used: as many as the first cache holds.
const BLOCK: usize = 256;

/// Which rows a lane has.
pub(crate) fn rows_of(lane: usize, lanes: usize, rows: usize) -> Vec<usize> {
    let stretches = (lane * STRETCH..rows).step_by(STRETCH * lanes.max(1));
    stretches.flat_map(|start| start..(start + STRETCH).min(rows)).collect()
}

/// Rows of a lane, each row's bins side by side.
///
/// Row by row rather than column by column: a row of a small leaf is then one or two cache lines, not one a column.
#[derive(Default)]
pub(crate) struct BinnedRows {
    bins: Vec<u8>,
    width: usize,
}

impl BinnedRows {
    pub(crate) fn new(columns: &Columns, x: ArrayView2<f64>, rows: &[usize]) -> Self {
        let mut bins = vec![MISSING; rows.len() * columns.len()];
        columns.bin(x, rows, &mut bins);
        Self { bins, width: columns.len() }
    }

    /// All rows in their order.
    pub(crate) fn all(columns: &Columns, x: ArrayView2<f64>, threads: usize) -> Self {
        let (rows, width) = (x.nrows(), columns.len());
        let mut bins = vec![MISSING; rows * width];
        let share = rows.div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            for (part, bins) in bins.chunks_mut(share * width.max(1)).enumerate() {
                scope.spawn(move || {
                    let rows: Vec<usize> = (part * share..rows.min((part + 1) * share)).collect();
                    columns.bin(x, &rows, bins);
                });
            }
        });
        Self { bins, width }
    }

    pub(crate) fn row(&self, row: usize) -> &[u8] {
        self.bins.get(row * self.width..(row + 1) * self.width).unwrap_or(&[])
    }

    pub(crate) fn bin(&self, row: usize, column: usize) -> u8 {
        self.bins.get(row * self.width + column).copied().unwrap_or(MISSING)
    }

    /// The leaf of a row.
    pub(crate) fn leaf(&self, ways: &[Way], tree: &Tree, row: usize) -> usize {
        tree.descend(|node| ways.get(node).is_some_and(|way| way.goes_left(self.bin(row, way.column))))
    }
}

/// Rows of each leaf, as a division of one array.
#[derive(Default)]
pub(crate) struct Partition {
    order: Vec<u32>,
    spare: Vec<u32>,
    /// Start and end of each leaf in `order`.
    leaves: Vec<(usize, usize)>,
}

impl Partition {
    /// One leaf that holds `rows`.
    pub(crate) fn start(&mut self, rows: impl Iterator<Item = u32>) {
        self.order.clear();
        self.order.extend(rows);
        self.spare.resize(self.order.len(), 0);
        self.leaves.clear();
        self.leaves.push((0, self.order.len()));
    }

    pub(crate) fn leaf(&self, leaf: usize) -> &[u32] {
        let (start, end) = self.leaves.get(leaf).copied().unwrap_or_default();
        self.order.get(start..end).unwrap_or(&[])
    }

    /// Adds the rows of a leaf to a histogram.
    pub(crate) fn sum(&self, leaf: usize, data: &Data, into: &mut Histogram) {
        let mut buffer = [Moment::default(); BLOCK];
        for block in self.leaf(leaf).chunks(BLOCK) {
            data.put(block, &mut buffer, into);
        }
    }

    /// Divides a leaf: the left rows keep its number, the right ones become a new leaf. The rows of one side are added
    /// to a histogram on the way, while their bins are at hand.
    pub(crate) fn split(&mut self, leaf: usize, way: &Way, data: &Data, small_left: bool, into: &mut Histogram) {
        let Some(&(start, end)) = self.leaves.get(leaf) else { return };
        let (Some(order), Some(spare)) = (self.order.get_mut(start..end), self.spare.get_mut(start..end)) else {
            return;
        };
        let mut table = [0_u8; 256];
        for (bin, left) in (0_u8..=255).zip(&mut table) {
            *left = u8::from(way.goes_left(bin));
        }
        let (mut lefts, mut rights) = (0, 0);
        let mut moments = [Moment::default(); BLOCK];
        let (mut left, mut right) = ([0_u32; BLOCK], [0_u32; BLOCK]);
        for from in (0..order.len()).step_by(BLOCK) {
            let to = (from + BLOCK).min(order.len());
            let (l, r) = divide(order.get(from..to).unwrap_or(&[]), way, data, &table, &mut left, &mut right);
            let (left, right) = (left.get(..l).unwrap_or(&[]), right.get(..r).unwrap_or(&[]));
            data.put(if small_left { left } else { right }, &mut moments, into);
            if let Some(place) = order.get_mut(lefts..lefts + l) {
                place.copy_from_slice(left);
            }
            if let Some(place) = spare.get_mut(rights..rights + r) {
                place.copy_from_slice(right);
            }
            lefts += l;
            rights += r;
        }
        if let (Some(place), Some(rows)) = (order.get_mut(lefts..), spare.get(..rights)) {
            place.copy_from_slice(rows);
        }
        if let Some(range) = self.leaves.get_mut(leaf) {
            *range = (start, start + lefts);
        }
        self.leaves.push((start + lefts, end));
    }
}

/// Writes the rows of a block to either side; how many each got.
#[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 places, and a block's counts stay below its length")]
fn divide(
    rows: &[u32],
    way: &Way,
    data: &Data,
    table: &[u8; 256],
    left: &mut [u32; BLOCK],
    right: &mut [u32; BLOCK],
) -> (usize, usize) {
    let (mut l, mut r) = (0, 0);
    for &row in rows {
        let goes_left = usize::from(table[usize::from(data.rows.bin(row as usize, way.column))]);
        left[l % BLOCK] = row;
        right[r % BLOCK] = row;
        l += goes_left;
        r += 1 - goes_left;
    }
    (l, r)
}

/// What a histogram is made of.
pub(crate) struct Data<'a> {
    pub(crate) rows: &'a BinnedRows,
    pub(crate) moments: &'a [Moment],
    pub(crate) scale: Scale,
    /// The columns of this tree, where not all are.
    pub(crate) columns: Option<&'a [usize]>,
}

impl Data<'_> {
    fn put(&self, rows: &[u32], moments: &mut [Moment; BLOCK], into: &mut Histogram) {
        // Gathered first: the loads do not wait for one another.
        for (moment, &row) in moments.iter_mut().zip(rows) {
            *moment = self.moments.get(row as usize).copied().unwrap_or_default();
        }
        match self.columns {
            None => {
                for (&row, &moment) in rows.iter().zip(moments.iter()) {
                    into.put(self.rows.row(row as usize), self.scale.cell(moment));
                }
            }
            Some(columns) => {
                for (&row, &moment) in rows.iter().zip(moments.iter()) {
                    into.put_some(columns, self.rows.row(row as usize), self.scale.cell(moment));
                }
            }
        }
    }
}
