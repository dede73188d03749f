//! Sums of trees over many rows.
//!
//! A block of rows goes through one tree after the other, so that a tree stays in the first cache for the whole block,
//! and several rows go down a tree side by side: one row would wait for its own comparison at every node.

use ndarray::{ArrayView2, s};

use super::bins::{Column, Columns, MISSING};
use super::model::{Child, Tree};

const BLOCK: usize = 128;
const SIDE_BY_SIDE: usize = 8;

/// Calls `work` with blocks of [`Columns::prepare`]d rows and as many answers of `width` numbers each, on up to
/// `threads` threads.
pub(crate) fn in_blocks<W>(
    columns: &Columns,
    x: &ArrayView2<f64>,
    found: &mut [f64],
    width: usize,
    threads: usize,
    work: W,
) where
    W: Fn(&[f64], &mut [f64]) + Sync,
{
    if found.is_empty() || width == 0 {
        return;
    }
    let rows = found.len() / width;
    let share = rows.div_ceil(threads.max(1)).next_multiple_of(BLOCK);
    let run = |part: usize, found: &mut [f64]| {
        let mut buffer = Vec::new();
        for (block, found) in found.chunks_mut(BLOCK * width).enumerate() {
            let first = part * share + block * BLOCK;
            let view = x.slice(s![first..first + found.len() / width, ..]);
            work(columns.prepare(&view, &mut buffer), found);
        }
    };
    if share >= rows {
        run(0, found);
        return;
    }
    std::thread::scope(|scope| {
        for (part, found) in found.chunks_mut(share * width).enumerate() {
            let run = &run;
            scope.spawn(move || run(part, found));
        }
    });
}

impl Columns {
    /// Rows side by side, codes replaced by bins (NaN where unseen); without a copy where nothing must be replaced.
    fn prepare<'a>(&self, x: &'a ArrayView2<f64>, buffer: &'a mut Vec<f64>) -> &'a [f64] {
        if let (Some(values), false) = (x.as_slice(), self.any_categorical()) {
            return values;
        }
        buffer.clear();
        for row in x.rows() {
            buffer.extend(row.iter().zip(self.all()).map(|(&x, column)| match column {
                Column::Numeric { .. } => x,
                Column::Categorical { .. } => match column.bin(x) {
                    MISSING => f64::NAN,
                    bin => f64::from(bin),
                },
            }));
        }
        buffer
    }
}

/// A node or a leaf of a tree without categorical splits. A leaf leads to itself.
#[derive(Clone, Copy)]
struct Step {
    threshold: f64,
    column: u32,
    missing_left: bool,
    /// Where to go from here: right, left.
    next: [u32; 2],
}

/// A tree to walk down without a branch.
struct Walk {
    steps: Vec<Step>,
    /// Of each step: 0 for nodes.
    values: Vec<f64>,
    nodes: u32,
}

impl Walk {
    fn of(tree: &Tree) -> Self {
        let nodes = tree.nodes.len() as u32;
        let place = |link| match Child::of(link) {
            Child::Node(node) => node as u32,
            Child::Leaf(leaf) => nodes + leaf as u32,
        };
        let inner = tree.nodes.iter().map(|node| Step {
            threshold: node.threshold,
            column: node.column,
            missing_left: node.missing_left,
            next: [place(node.right), place(node.left)],
        });
        let leaves = (nodes..).take(tree.leaves.len()).map(|here| Step {
            threshold: 0.0,
            column: 0,
            missing_left: false,
            next: [here; 2],
        });
        let values = tree.nodes.iter().map(|_| 0.0).chain(tree.leaves.iter().map(|leaf| leaf.value));
        Self { steps: inner.chain(leaves).collect(), values: values.collect(), nodes }
    }

    /// Adds the values of some rows.
    #[expect(clippy::indexing_slicing, reason = "`next` leads to a step, and a row has every column of the model")]
    fn add<const N: usize>(&self, rows: &[f64], width: usize, found: &mut [f64]) {
        let mut at = [0_u32; N];
        loop {
            let mut inner = false;
            for (lane, at) in at.iter_mut().enumerate() {
                let step = &self.steps[*at as usize];
                let x = rows[lane * width + step.column as usize];
                let left = (x <= step.threshold) | (step.missing_left & x.is_nan());
                *at = step.next[usize::from(left)];
                inner |= *at < self.nodes;
            }
            if !inner {
                break;
            }
        }
        for (found, at) in found.iter_mut().zip(at) {
            *found += self.values[at as usize];
        }
    }

    fn add_all(&self, rows: &[f64], width: usize, found: &mut [f64]) {
        let (mut blocks, mut answers) = (rows.chunks_exact(SIDE_BY_SIDE * width), found.chunks_exact_mut(SIDE_BY_SIDE));
        for (rows, found) in blocks.by_ref().zip(answers.by_ref()) {
            self.add::<SIDE_BY_SIDE>(rows, width, found);
        }
        for (row, found) in blocks.remainder().chunks_exact(width).zip(answers.into_remainder().chunks_exact_mut(1)) {
            self.add::<1>(row, width, found);
        }
    }
}

/// `start` and the values of all trees, for each row; NaN for all where `x` has another number of columns than the
/// model, for a wrong table must not pass for a score.
pub(crate) fn score(trees: &[Tree], columns: &Columns, x: &ArrayView2<f64>, start: f64, threads: usize) -> Vec<f64> {
    if columns.check_width(x).is_err() {
        return vec![f64::NAN; x.nrows()];
    }
    let width = columns.len();
    let mut found = vec![start; x.nrows()];
    if columns.any_categorical() {
        in_blocks(columns, x, &mut found, 1, threads, |rows, found| {
            for tree in trees {
                for (row, found) in rows.chunks_exact(width).zip(found.iter_mut()) {
                    *found += tree.value(tree.leaf(row));
                }
            }
        });
    } else {
        let walks: Vec<Walk> = trees.iter().map(Walk::of).collect();
        in_blocks(columns, x, &mut found, 1, threads, |rows, found| {
            walks.iter().for_each(|walk| walk.add_all(rows, width, found));
        });
    }
    found
}
