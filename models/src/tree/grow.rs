//! Leaf-wise growth: the leaf whose split gains most is split next (Shi 2007, as in LightGBM).

use std::sync::{Arc, Mutex};

use super::bins::Columns;
use super::error::TreeError;
use super::fixed::{Cell, EMPTY, Moment, Scale, add};
use super::histogram::Histogram;
use super::lane::{BinnedRows, Data, Partition};
use super::model::{Child, Leaf, Tree};
use super::split::{Bounds, Limits, Search, Split, Splitting, Way};
use super::team::Team;

/// What growth needs of a thread's share of the rows.
pub(crate) trait Lane: Send {
    /// Bins and moments to read, and the partition to change.
    fn parts(&mut self) -> (&BinnedRows, &[Moment], &mut Partition);
    /// This lane's number, and how many there are.
    fn place(&self) -> (usize, usize);
}

/// Shape of a tree.
pub(crate) struct Growth<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) splitting: Arc<[Splitting]>,
    pub(crate) limits: Limits,
    pub(crate) leaves: usize,
    pub(crate) depth: usize,
    /// Histograms of leaves that may be held at once.
    pub(crate) held: usize,
}

/// A tree with what its makers need besides.
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// Of each node.
    pub(crate) ways: Vec<Way>,
    /// Of each leaf: what its value may be.
    pub(crate) bounds: Vec<Bounds>,
}

/// A leaf that may be split.
struct Open {
    depth: usize,
    parent: Option<(usize, Side)>,
    total: Cell,
    bounds: Bounds,
    histogram: Option<Histogram>,
    best: Option<Split>,
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

struct Growing<'g, 'scope, L> {
    growth: &'g Growth<'g>,
    scale: Scale,
    team: &'g mut Team<'scope, L>,
    columns: Arc<[usize]>,
    all_columns: bool,
    open: Vec<Open>,
    grown: Grown,
    /// Histograms that nobody needs any more.
    spare: Vec<Histogram>,
}

/// Grows one tree on the moments of the lanes, over `columns`.
pub(crate) fn grow<'scope, L: Lane + 'scope>(
    growth: &Growth,
    scale: Scale,
    columns: Vec<usize>,
    team: &mut Team<'scope, L>,
) -> Result<Grown, TreeError> {
    let all_columns = columns.len() == growth.columns.len();
    let grown = Grown { tree: Tree::default(), ways: Vec::new(), bounds: Vec::new() };
    let (open, spare) = (Vec::new(), Vec::new());
    let mut growing = Growing { growth, scale, team, columns: columns.into(), all_columns, open, grown, spare };
    growing.start()?;
    while growing.open.len() < growth.leaves {
        let Some(leaf) = growing.next() else { break };
        growing.split(leaf)?;
    }
    Ok(growing.finish())
}

impl<'scope, L: Lane + 'scope> Growing<'_, 'scope, L> {
    fn start(&mut self) -> Result<(), TreeError> {
        let histogram = self.sum(0)?;
        let first = self.columns.first().and_then(|&column| histogram.0.get(column));
        let total = first.map_or(EMPTY, |cells| cells.values(256).iter().fold(EMPTY, |sum, cell| add(sum, *cell)));
        let step = self.growth.limits.max_step;
        let bounds = Bounds { low: -step, high: step };
        self.open.push(Open { depth: 0, parent: None, total, bounds, histogram: None, best: None });
        self.search([(0, Some(histogram)), (0, None)])
    }

    /// The columns of this tree, where not all are.
    fn some_columns(&self) -> Option<Arc<[usize]>> {
        (!self.all_columns).then(|| self.columns.clone())
    }

    /// The leaf whose split gains most; of equal ones the first.
    fn next(&self) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (leaf, open) in self.open.iter().enumerate() {
            let Some(split) = &open.best else { continue };
            if best.is_none_or(|(_, gain)| split.gain > gain) {
                best = Some((leaf, split.gain));
            }
        }
        best.map(|(leaf, _)| leaf)
    }

    fn split(&mut self, leaf: usize) -> Result<(), TreeError> {
        let Some(split) = self.open.get_mut(leaf).and_then(|open| open.best.take()) else { return Ok(()) };
        let small_left = self.scale.count(split.left) <= self.scale.count(split.right);
        let small = self.divide(leaf, split.way, small_left)?;
        let right = self.attach(leaf, &split);
        let (small_leaf, large_leaf) = if small_left { (leaf, right) } else { (right, leaf) };
        let large = match self.open.get_mut(leaf).and_then(|open| open.histogram.take()) {
            Some(mut parent) => {
                parent.subtract(&small);
                Some(parent)
            }
            None if self.open.len() < self.growth.leaves => Some(self.sum(large_leaf)?),
            None => None,
        };
        self.search([(small_leaf, Some(small)), (large_leaf, large)])
    }

    /// The histogram of a leaf, from its rows.
    fn sum(&mut self, leaf: usize) -> Result<Histogram, TreeError> {
        self.build(move |partition, data, histogram| partition.sum(leaf, data, histogram))
    }

    /// Divides the rows of a leaf; the histogram of the smaller side.
    fn divide(&mut self, leaf: usize, way: Way, small_left: bool) -> Result<Histogram, TreeError> {
        self.build(move |partition, data, histogram| partition.split(leaf, &way, data, small_left, histogram))
    }

    /// The sum of what the lanes fill in.
    fn build<F>(&mut self, fill: F) -> Result<Histogram, TreeError>
    where
        F: FnOnce(&mut Partition, &Data, &mut Histogram) + Clone + Send + 'scope,
    {
        let (width, scale, columns) = (self.growth.columns.len(), self.scale, self.some_columns());
        let spare = Arc::new(Mutex::new(std::mem::take(&mut self.spare)));
        let shared = spare.clone();
        let parts = self.team.all(move |lane: &mut L| {
            let held = shared.lock().ok().and_then(|mut spare| spare.pop());
            let mut histogram = match held {
                Some(mut held) => {
                    held.clear();
                    held
                }
                None => Histogram::empty(width),
            };
            let (rows, moments, partition) = lane.parts();
            let data = Data { rows, moments, scale, columns: columns.as_deref() };
            fill(partition, &data, &mut histogram);
            histogram
        })?;
        if let Some(spare) = Arc::into_inner(spare).and_then(|spare| spare.into_inner().ok()) {
            self.spare = spare;
        }
        let mut parts = parts.into_iter();
        let mut whole = parts.next().ok_or(TreeError::Worker)?;
        for part in parts {
            whole.add(&part);
            self.spare.push(part);
        }
        Ok(whole)
    }

    /// Makes a node of a leaf: its left child keeps the leaf's number. Returns the number of the right one.
    fn attach(&mut self, leaf: usize, split: &Split) -> usize {
        let node = self.grown.tree.push(&split.way, split.gain, self.growth.columns);
        self.grown.ways.push(split.way);
        let right = self.open.len();
        let (left_bounds, right_bounds) = self.child_bounds(leaf, split);
        let Some(open) = self.open.get_mut(leaf) else { return right };
        let parent = open.parent.replace((node, Side::Left));
        let depth = open.depth + 1;
        (open.depth, open.total, open.bounds) = (depth, split.left, left_bounds);
        self.open.push(Open {
            depth,
            parent: Some((node, Side::Right)),
            total: split.right,
            bounds: right_bounds,
            histogram: None,
            best: None,
        });
        self.link(Some((node, Side::Left)), Child::Leaf(leaf));
        self.link(Some((node, Side::Right)), Child::Leaf(right));
        self.link(parent, Child::Node(node));
        right
    }

    fn link(&mut self, parent: Option<(usize, Side)>, child: Child) {
        let Some((node, side)) = parent else { return };
        let Some(node) = self.grown.tree.nodes.get_mut(node) else { return };
        match side {
            Side::Left => node.left = child.link(),
            Side::Right => node.right = child.link(),
        }
    }

    /// A monotone split divides the outputs halfway between those of its sides.
    fn child_bounds(&self, leaf: usize, split: &Split) -> (Bounds, Bounds) {
        let bounds = self.open.get(leaf).map_or(Bounds { low: 0.0, high: 0.0 }, |open| open.bounds);
        let monotone = self.growth.splitting.get(split.way.column).map_or(0, |column| column.monotone());
        if monotone == 0 {
            return (bounds, bounds);
        }
        let search = Search { limits: &self.growth.limits, scale: &self.scale, total: EMPTY, bounds, best: None };
        let middle = (search.output(split.left) + search.output(split.right)) / 2.0;
        let (below, above) = (Bounds { high: middle, ..bounds }, Bounds { low: middle, ..bounds });
        if monotone > 0 { (below, above) } else { (above, below) }
    }

    /// Looks for the splits of two new leaves; each lane looks at its share of the columns.
    fn search(&mut self, leaves: [(usize, Option<Histogram>); 2]) -> Result<(), TreeError> {
        let full = self.open.len() >= self.growth.leaves;
        let mut asked = Vec::with_capacity(2);
        for (leaf, histogram) in leaves {
            let (Some(histogram), Some(open)) = (histogram, self.open.get(leaf)) else { continue };
            let enough = self.scale.count(open.total) >= 2 * self.growth.limits.min_samples;
            if full || open.depth >= self.growth.depth || !enough {
                self.spare.push(histogram);
            } else {
                asked.push((leaf, open.total, open.bounds, histogram));
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let asked = Arc::new(asked);
        let (shared, columns, splitting) = (asked.clone(), self.columns.clone(), self.growth.splitting.clone());
        let (limits, scale) = (self.growth.limits, self.scale);
        let found = self.team.all(move |lane: &mut L| {
            let (place, lanes) = lane.place();
            let mut found = Vec::with_capacity(2);
            for (_, total, bounds, histogram) in shared.iter() {
                let mut search = Search { limits: &limits, scale: &scale, total: *total, bounds: *bounds, best: None };
                for &column in columns.iter().skip(place).step_by(lanes) {
                    if let (Some(&splitting), Some(cells)) = (splitting.get(column), histogram.0.get(column)) {
                        search.offer(column, splitting, cells);
                    }
                }
                found.push(search.best);
            }
            found
        })?;
        let mut kept = self.open.iter().filter(|open| open.histogram.is_some()).count();
        for (place, (leaf, _, _, histogram)) in Arc::into_inner(asked).unwrap_or_default().into_iter().enumerate() {
            let best = found.iter().filter_map(|found| *found.get(place)?).reduce(better);
            let Some(open) = self.open.get_mut(leaf) else { continue };
            open.best = best;
            // Beyond what may be held, a leaf's histogram is made of its rows again: the same, only later.
            if best.is_some() && kept < self.growth.held {
                open.histogram = Some(histogram);
                kept += 1;
            } else {
                self.spare.push(histogram);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Grown {
        for open in &self.open {
            let search = Search {
                limits: &self.growth.limits,
                scale: &self.scale,
                total: open.total,
                bounds: open.bounds,
                best: None,
            };
            let cover = self.scale.count(open.total) as f64;
            self.grown.tree.leaves.push(Leaf { value: search.output(open.total), cover });
            self.grown.bounds.push(open.bounds);
        }
        self.grown
    }
}

/// The split that gains more; of equal ones the column that stands first.
fn better(one: Split, other: Split) -> Split {
    let other_wins = other.gain > one.gain || (other.gain == one.gain && other.way.column < one.way.column);
    if other_wins { other } else { one }
}
