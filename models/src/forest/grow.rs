//! One tree of a forest: depth first, a few columns a split, on one thread.

use crate::random::{Chance, Purpose};
use crate::tree::{
    BinnedRows, Bounds, Cell, Cells, Child, Columns, EMPTY, Leaf, Limits, Scale, Search, Split, Splitting, Tree, Way,
    add,
};

const FREE: Bounds = Bounds { low: f64::NEG_INFINITY, high: f64::INFINITY };

/// What all trees of a forest share.
pub(super) struct Soil<'a> {
    pub(super) columns: &'a Columns,
    pub(super) splitting: Vec<Splitting>,
    pub(super) rows: &'a BinnedRows,
    pub(super) scale: Scale,
    pub(super) limits: Limits,
    pub(super) depth: usize,
    pub(super) mtry: usize,
    pub(super) seed: u64,
    /// Added to every leaf: numbers are learned as deviations from their mean, classes as they are.
    pub(super) mean: f64,
    /// Targets of 0 and 1, so that a node of one class is known by its value.
    pub(super) classes: bool,
}

/// A node to be split or made a leaf, with its rows as a range.
struct Open {
    start: usize,
    end: usize,
    depth: usize,
    total: Cell,
    parent: Option<(usize, bool)>,
}

/// The growth of one tree.
pub(super) struct Growing<'a> {
    soil: &'a Soil<'a>,
    number: usize,
    /// What each row adds to a histogram, as often as it was drawn.
    cells: &'a [Cell],
    order: Vec<u32>,
    spare: Vec<u32>,
    tree: Tree,
    ways: Vec<Way>,
    /// Histograms of the columns that are tried together.
    tried: Vec<Cells>,
}

impl<'a> Growing<'a> {
    /// On the rows whose cells are not empty.
    pub(super) fn new(soil: &'a Soil<'a>, number: usize, cells: &'a [Cell]) -> Self {
        let order: Vec<u32> = (0_u32..).zip(cells).filter(|(_, cell)| **cell != EMPTY).map(|(row, _)| row).collect();
        let (spare, tried) = (vec![0; order.len()], vec![Cells::EMPTY; soil.mtry]);
        Self { soil, number, cells, order, spare, tree: Tree::default(), ways: Vec::new(), tried }
    }

    /// The tree, and the ways of its nodes.
    pub(super) fn grow(mut self) -> (Tree, Vec<Way>) {
        let total = self.order.iter().fold(EMPTY, |sum, &row| add(sum, self.cell(row)));
        let mut open = vec![Open { start: 0, end: self.order.len(), depth: 0, total, parent: None }];
        let mut number = 0;
        while let Some(next) = open.pop() {
            let split = if self.may_split(&next) { self.best(&next, number) } else { None };
            number += 1;
            let Some(split) = split else {
                self.leaf(&next);
                continue;
            };
            let node = self.tree.push(&split.way, split.gain, self.soil.columns);
            self.ways.push(split.way);
            self.link(next.parent, Child::Node(node));
            let middle = self.divide(&next, &split.way);
            let depth = next.depth + 1;
            open.push(Open { start: middle, end: next.end, depth, total: split.right, parent: Some((node, false)) });
            open.push(Open { start: next.start, end: middle, depth, total: split.left, parent: Some((node, true)) });
        }
        (self.tree, self.ways)
    }

    fn cell(&self, row: u32) -> Cell {
        self.cells.get(row as usize).copied().unwrap_or(EMPTY)
    }

    fn value(&self, total: Cell) -> f64 {
        let search = Search { limits: &self.soil.limits, scale: &self.soil.scale, total, bounds: FREE, best: None };
        let value = self.soil.mean + search.output(total);
        // The rounding of a cell must not make a share of more than all.
        if self.soil.classes { value.clamp(0.0, 1.0) } else { value }
    }

    fn may_split(&self, node: &Open) -> bool {
        let is_pure = self.soil.classes && {
            let value = self.value(node.total);
            !(1e-7..=1.0 - 1e-7).contains(&value)
        };
        let count = self.soil.scale.count(node.total);
        node.depth < self.soil.depth
            && node.end - node.start > 1
            && count >= 2 * self.soil.limits.min_samples
            && !is_pure
    }

    /// The best split of the first `mtry` columns, in an order drawn for this node, that are not constant here.
    fn best(&mut self, node: &Open, number: usize) -> Option<Split> {
        let width = self.soil.columns.len();
        let chance = Chance::new(self.soil.seed, Purpose::ColumnsOfNode, self.number);
        let mut columns: Vec<usize> = (0..width).collect();
        let (mut drawn, mut counted, mut best) = (0, 0, None);
        while drawn < width && (counted < self.soil.mtry || best.is_none()) {
            let batch = (self.soil.mtry - counted.min(self.soil.mtry)).max(1).min(width - drawn);
            for place in drawn..drawn + batch {
                let other = place + chance.below((number * width + place) as u64, width - place);
                columns.swap(place, other);
            }
            let chosen = columns.get(drawn..drawn + batch).unwrap_or(&[]);
            drawn += batch;
            let found = self.try_columns(node, chosen, best);
            best = found.0;
            counted += found.1;
        }
        best
    }

    /// Offers some columns; the best split so far, and how many of the columns are not constant.
    fn try_columns(&mut self, node: &Open, columns: &[usize], best: Option<Split>) -> (Option<Split>, usize) {
        let soil = self.soil;
        self.tried.iter_mut().take(columns.len()).for_each(|cells| *cells = Cells::EMPTY);
        for &row in self.order.get(node.start..node.end).unwrap_or(&[]) {
            let (bins, cell) = (soil.rows.row(row as usize), self.cell(row));
            for (cells, &column) in self.tried.iter_mut().zip(columns) {
                if let Some(&bin) = bins.get(column) {
                    cells.put(bin, cell);
                }
            }
        }
        let mut search = Search { limits: &soil.limits, scale: &soil.scale, total: node.total, bounds: FREE, best };
        let mut varied = 0;
        for (cells, &column) in self.tried.iter().zip(columns) {
            let Some(&splitting) = soil.splitting.get(column) else { continue };
            if cells.values(256).iter().filter(|cell| **cell != EMPTY).nth(1).is_some() {
                varied += 1;
                search.offer(column, splitting, cells);
            }
        }
        (search.best, varied)
    }

    /// Puts the left rows before the right ones; where the right ones begin.
    fn divide(&mut self, node: &Open, way: &Way) -> usize {
        let mut table = [false; 256];
        for (bin, left) in (0_u8..=255).zip(&mut table) {
            *left = way.goes_left(bin);
        }
        let (mut lefts, mut rights) = (node.start, 0);
        for from in node.start..node.end {
            let Some(&row) = self.order.get(from) else { break };
            let bin = self.soil.rows.bin(row as usize, way.column);
            let goes_left = table.get(usize::from(bin)).copied().unwrap_or_default();
            // Both are written, and the one that counts is kept: a branch would be guessed wrongly half the time.
            if let (Some(left), Some(right)) = (self.order.get_mut(lefts), self.spare.get_mut(rights)) {
                (*left, *right) = (row, row);
            }
            lefts += usize::from(goes_left);
            rights += usize::from(!goes_left);
        }
        if let (Some(place), Some(rows)) = (self.order.get_mut(lefts..node.end), self.spare.get(..rights)) {
            place.copy_from_slice(rows);
        }
        lefts
    }

    fn leaf(&mut self, node: &Open) {
        let leaf = self.tree.leaves.len();
        let cover = self.soil.scale.count(node.total) as f64;
        self.tree.leaves.push(Leaf { value: self.value(node.total), cover });
        self.link(node.parent, Child::Leaf(leaf));
    }

    fn link(&mut self, parent: Option<(usize, bool)>, child: Child) {
        let Some((node, is_left)) = parent else { return };
        let Some(node) = self.tree.nodes.get_mut(node) else { return };
        if is_left {
            node.left = child.link();
        } else {
            node.right = child.link();
        }
    }
}
