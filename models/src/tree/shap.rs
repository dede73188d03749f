//! Exact Shapley values of trees, path-dependent (Lundberg et al. 2020, algorithm 2), edge by edge.
//!
//! A leaf of value v counts for a coalition S of columns with `v * prod_{j in S} o_j * prod_{j not in S} z_j`, where j
//! are the D columns on its path, o_j is 1 if the row agrees with all of j's splits there, else 0, and z_j the share of
//! training rows that do. By the multilinear extension (Owen 1972) what column j gets of it is
//!
//! `v * (o_j - z_j) * integral over t in [0, 1] of prod_{k != j} f_k(t),  f_k(t) = o_k t + z_k (1 - t)`.
//!
//! The integrand is a polynomial of degree D - 1, for which Gauss-Legendre quadrature with D/2 points is exact. At each
//! point the products of f go down the tree and the sums over leaves come up. With `G_e` the sum of `v prod_k f_k` over
//! the leaves below an edge, an edge of column j adds the quadrature of `G_e (o_j - z_j) / f_j`, and takes back what the
//! last edge of j above it said of these leaves, as Linear TreeSHAP does by polynomials (Yu et al. 2022, section 4). A row
//! costs edges x D/2, however many rows there are.

use ndarray::{Array2, ArrayView2};

use super::bins::Columns;
use super::error::TreeError;
use super::model::{Child, Tree};
use super::score::in_blocks;

/// Most splits between a root and a leaf.
pub(crate) const MAX_DEPTH: usize = 64;
/// Rows that go through a tree side by side: what is read of an edge serves all of them.
const SIDE_BY_SIDE: usize = 8;

/// A tree as its splits, parents first, a split's left side before its right.
struct Skeleton {
    splits: Vec<Split<[Edge; 2]>>,
    /// Most columns on a path.
    columns: usize,
    /// The value that is expected where no column is known.
    expectation: f64,
}

/// A node of the tree and its two edges, left first.
struct Split<S> {
    node: usize,
    column: usize,
    /// The last edge of the same column above, by its place; past the last edge where there is none.
    above: usize,
    sides: S,
}

struct Edge {
    /// Share of the node's training rows.
    share: f64,
    /// Share of training rows that agree with all splits of the column down to here, and down to the edge above.
    agree: f64,
    agree_above: f64,
    below: Below,
}

#[derive(Clone, Copy)]
enum Below {
    Split(usize),
    Leaf(f64),
}

/// The last edge of a column on a path.
#[derive(Clone, Copy)]
struct Last {
    column: usize,
    edge: usize,
    agree: f64,
}

impl Skeleton {
    fn of(tree: &Tree) -> Self {
        let mut found = Self { splits: Vec::with_capacity(tree.nodes.len()), columns: 0, expectation: 0.0 };
        let covers = tree.covers();
        found.grow((tree, &covers), tree.root(), &[], 1.0);
        found
    }

    /// Appends what is below a place that `share` of the training rows come to, past the last edges of `path`.
    fn grow(&mut self, whole: (&Tree, &[f64]), at: Child, path: &[Last], share: f64) -> Below {
        let (tree, covers) = whole;
        let (place, node) = match at {
            Child::Leaf(leaf) => {
                let value = tree.value(leaf);
                self.columns = self.columns.max(path.len());
                self.expectation += share * value;
                return Below::Leaf(value);
            }
            Child::Node(place) => match tree.nodes.get(place) {
                Some(node) => (place, node),
                None => return Below::Leaf(0.0),
            },
        };
        let (column, split) = (node.column as usize, self.splits.len());
        let known = path.iter().find(|last| last.column == column);
        let agree_above = known.map_or(1.0, |last| last.agree);
        let above = known.map_or(2 * tree.nodes.len(), |last| last.edge);
        let cover = covers.get(place).copied().unwrap_or(0.0);
        let sides = [node.left, node.right].map(|link| {
            let under = match Child::of(link) {
                Child::Leaf(leaf) => tree.leaves.get(leaf).map_or(0.0, |leaf| leaf.cover),
                Child::Node(child) => covers.get(child).copied().unwrap_or(0.0),
            };
            // No training row came by: both sides are as likely.
            let share = if cover > 0.0 { under / cover } else { 0.5 };
            Edge { share, agree: agree_above * share, agree_above, below: Below::Leaf(0.0) }
        });
        let shares = sides.each_ref().map(|edge| (edge.share, edge.agree));
        self.splits.push(Split { node: place, column, above, sides });
        let mut longer: Vec<Last> = path.iter().copied().filter(|last| last.column != column).collect();
        for (side, (link, (own, agree))) in [node.left, node.right].into_iter().zip(shares).enumerate() {
            longer.push(Last { column, edge: 2 * split + side, agree });
            let below = self.grow(whole, Child::of(link), &longer, share * own);
            longer.pop();
            if let Some(edge) = self.splits.get_mut(split).and_then(|split| split.sides.get_mut(side)) {
                edge.below = below;
            }
        }
        Below::Split(split)
    }
}

/// What an edge does with a product at the N points.
#[derive(Clone, Copy)]
struct Factor<const N: usize> {
    /// f of its column, over f of the column above it; times the value of the leaf where the edge leads to one.
    ratio: [f64; N],
    /// What of `G_e`, or of the product above a leaf, its column gets.
    gets: [f64; N],
}

impl<const N: usize> Factor<N> {
    /// Both together.
    fn and(self, other: &Self) -> Self {
        let mut both = self;
        add(&mut both.ratio, &other.ratio, &[1.0; N]);
        add(&mut both.gets, &other.gets, &[1.0; N]);
        both
    }
}

/// By what a row does: it disagreed with the column above already; disagrees here; agrees.
type Factors<const N: usize> = [Factor<N>; 3];

impl Edge {
    fn factors<const N: usize>(&self, points: &[Point; N]) -> Factors<N> {
        let factor = |agrees: bool| {
            let at = |point: &Point| {
                let Point { t, weight } = *point;
                let above = t + self.agree_above * (1.0 - t);
                let gave = weight * (1.0 - self.agree_above) / above;
                if agrees {
                    let here = t + self.agree * (1.0 - t);
                    (here / above, weight * (1.0 - self.agree) / here - gave)
                } else {
                    (self.agree * (1.0 - t) / above, -weight / (1.0 - t) - gave)
                }
            };
            let (ratio, gets) = (points.each_ref().map(|p| at(p).0), points.each_ref().map(|p| at(p).1));
            Factor { ratio, gets }
        };
        // What disagreed above gets the same from both edges: `-weight / (1 - t)` of what is below.
        let before = Factor { ratio: [self.share; N], gets: [0.0; N] };
        let all = [before, factor(false), factor(true)];
        match self.below {
            Below::Split(_) => all,
            Below::Leaf(value) => all.map(|Factor { ratio, gets }| {
                let (mut leaf, mut leaf_gets) = ([0.0; N], [0.0; N]);
                add(&mut leaf, &ratio, &[value; N]);
                add(&mut leaf_gets, &gets, &leaf);
                Factor { ratio: leaf, gets: leaf_gets }
            }),
        }
    }
}

/// What is below a split.
enum Sides<const N: usize> {
    /// Two leaves, by what a row does: it disagreed above; goes left; goes right.
    Leaves(Factors<N>),
    /// Left, right.
    Edges([(Factors<N>, Below); 2]),
}

impl<const N: usize> Sides<N> {
    fn of(edges: &[Edge; 2], points: &[Point; N]) -> Self {
        let [left, right] = edges.each_ref().map(|edge| edge.factors(points));
        match edges.each_ref().map(|edge| edge.below) {
            [Below::Leaf(_), Below::Leaf(_)] => {
                let ([before, no_left, goes_left], [other, no_right, goes_right]) = (left, right);
                Self::Leaves([before.and(&other), goes_left.and(&no_right), goes_right.and(&no_left)])
            }
            [below_left, below_right] => Self::Edges([(left, below_left), (right, below_right)]),
        }
    }
}

/// A tree made ready to explain rows by quadrature with N points.
struct Explainer<'a, const N: usize> {
    tree: &'a Tree,
    splits: Vec<Split<Sides<N>>>,
}

/// Rows on their way through a tree.
struct Rows<'a, const R: usize> {
    values: [&'a [f64]; R],
    /// For each edge that was passed, and one past them, whether each row agrees with its column so far.
    agree: &'a mut [[bool; R]],
    found: [&'a mut [f64]; R],
}

impl<'a, const N: usize> Explainer<'a, N> {
    fn of(tree: &'a Tree, skeleton: &Skeleton) -> Self {
        let points = points::<N>();
        let splits = skeleton.splits.iter().map(|split| {
            let Split { node, column, above, ref sides } = *split;
            Split { node, column, above, sides: Sides::of(sides, &points) }
        });
        Self { tree, splits: splits.collect() }
    }

    /// Adds the Shapley values of prepared rows, `width` values and `width + 1` answers each.
    fn explain(&self, rows: &[f64], width: usize, found: &mut [f64]) {
        let (block, answer) = (SIDE_BY_SIDE * width, SIDE_BY_SIDE * (width + 1));
        let mut agree = vec![[true; SIDE_BY_SIDE]; 2 * self.splits.len() + 1];
        let (mut rows, mut answers) = (rows.chunks_exact(block), found.chunks_exact_mut(answer));
        for (rows, found) in rows.by_ref().zip(answers.by_ref()) {
            self.explain_some(rows, width, found, &mut agree);
        }
        let mut agree = vec![[true; 1]; 2 * self.splits.len() + 1];
        let rest = answers.into_remainder().chunks_exact_mut(width + 1);
        for (row, found) in rows.remainder().chunks_exact(width).zip(rest) {
            self.explain_some(row, width, found, &mut agree);
        }
    }

    fn explain_some<const R: usize>(&self, rows: &[f64], width: usize, found: &mut [f64], agree: &mut [[bool; R]]) {
        let mut values = rows.chunks_exact(width);
        let mut answers = found.chunks_exact_mut(width + 1);
        let values = [(); R].map(|()| values.next().unwrap_or_default());
        let found = [(); R].map(|()| answers.next().unwrap_or_default());
        self.visit(0, &[[1.0; N]; R], &mut Rows { values, agree, found }, &mut [[0.0; N]; R]);
    }

    /// Adds what the edges below a split get, and to `sum` the sum over its leaves at each point.
    #[expect(clippy::indexing_slicing, reason = "edges and columns are those of the tree, states are three")]
    fn visit<const R: usize>(
        &self,
        split: usize,
        product: &[[f64; N]; R],
        rows: &mut Rows<'_, R>,
        sum: &mut [[f64; N]; R],
    ) {
        let Some(at) = self.splits.get(split) else { return };
        let Some(node) = self.tree.nodes.get(at.node) else { return };
        let left = rows.values.map(|row| self.tree.goes_left(node, row));
        let above = rows.agree[at.above];
        let mut shares = [0.0; R];
        match &at.sides {
            Sides::Leaves(factors) => {
                let sides = above.iter().zip(left);
                for (share, ((sum, product), (above, left))) in
                    shares.iter_mut().zip(sum.iter_mut().zip(product).zip(sides))
                {
                    let factor = &factors[if *above { 2 - usize::from(left) } else { 0 }];
                    *share = dot(product, &factor.gets);
                    add(sum, product, &factor.ratio);
                }
            }
            Sides::Edges(edges) => {
                for (side, (factors, below)) in edges.iter().enumerate() {
                    let agree: [bool; R] = std::array::from_fn(|row| above[row] & (left[row] == (side == 0)));
                    let state = |row: usize| usize::from(above[row]) + usize::from(agree[row]);
                    let factor: [&Factor<N>; R] = std::array::from_fn(|row| &factors[state(row)]);
                    let Below::Split(next) = *below else {
                        for (share, ((sum, product), factor)) in
                            shares.iter_mut().zip(sum.iter_mut().zip(product).zip(factor))
                        {
                            *share += dot(product, &factor.gets);
                            add(sum, product, &factor.ratio);
                        }
                        continue;
                    };
                    rows.agree[2 * split + side] = agree;
                    let (mut passed, mut sums) = ([[0.0; N]; R], [[0.0; N]; R]);
                    for ((passed, product), factor) in passed.iter_mut().zip(product).zip(factor) {
                        add(passed, product, &factor.ratio);
                    }
                    self.visit(next, &passed, rows, &mut sums);
                    for (share, ((sum, sums), factor)) in shares.iter_mut().zip(sum.iter_mut().zip(&sums).zip(factor)) {
                        *share += dot(sums, &factor.gets);
                        add(sum, sums, &[1.0; N]);
                    }
                }
            }
        }
        for (found, share) in rows.found.iter_mut().zip(shares) {
            found[at.column] += share;
        }
    }
}

/// `to += one * other`.
fn add<const N: usize>(to: &mut [f64; N], one: &[f64; N], other: &[f64; N]) {
    to.iter_mut().zip(one.iter().zip(other)).for_each(|(to, (one, other))| *to += one * other);
}

/// The sum of `one * other`, by two lanes that a processor adds at a time.
fn dot<const N: usize>(one: &[f64; N], other: &[f64; N]) -> f64 {
    let mut lanes = [0.0; 2];
    for (one, other) in one.chunks_exact(2).zip(other.chunks_exact(2)) {
        lanes.iter_mut().zip(one.iter().zip(other)).for_each(|(lane, (one, other))| *lane += one * other);
    }
    lanes.iter().sum()
}

/// A point of the quadrature over [0, 1].
#[derive(Clone, Copy)]
struct Point {
    t: f64,
    weight: f64,
}

/// The points and weights of Gauss-Legendre quadrature: roots of the Legendre polynomial by Newton's steps from
/// Chebyshev's (Abramowitz & Stegun, 25.4.29 and 22.16.6).
fn points<const N: usize>() -> [Point; N] {
    let mut place = 0.0;
    [(); N].map(|()| {
        place += 1.0;
        let mut x = (std::f64::consts::PI * (place - 0.25) / (N as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..NEWTON_STEPS {
            let (mut before, mut value) = (0.0, 1.0);
            for degree in 1..=N {
                let n = degree as f64;
                (before, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n);
            }
            slope = N as f64 * (x * value - before) / (x * x - 1.0);
            x -= value / slope;
        }
        Point { t: (1.0 + x) / 2.0, weight: 1.0 / ((1.0 - x * x) * slope * slope) }
    })
}

/// Enough for the last bit: they square the error.
const NEWTON_STEPS: usize = 8;

/// Rows of a matrix, side by side, and where their Shapley values are added.
struct Explaining<'a> {
    columns: &'a Columns,
    x: ArrayView2<'a, f64>,
    threads: usize,
}

impl Explaining<'_> {
    fn add(&self, tree: &Tree, skeleton: &Skeleton, found: &mut [f64]) {
        match skeleton.columns {
            0 => {}
            1..=4 => self.add_with::<2>(tree, skeleton, found),
            5..=8 => self.add_with::<4>(tree, skeleton, found),
            9..=12 => self.add_with::<6>(tree, skeleton, found),
            13..=16 => self.add_with::<8>(tree, skeleton, found),
            17..=32 => self.add_with::<16>(tree, skeleton, found),
            _ => self.add_with::<{ MAX_DEPTH / 2 }>(tree, skeleton, found),
        }
    }

    fn add_with<const N: usize>(&self, tree: &Tree, skeleton: &Skeleton, found: &mut [f64]) {
        let explainer = Explainer::<N>::of(tree, skeleton);
        let width = self.columns.len();
        in_blocks(self.columns, &self.x, found, width + 1, self.threads, |rows, found| {
            explainer.explain(rows, width, found);
        });
    }
}

/// Shapley values of `start + factor * sum of trees`: rows x (columns + 1), the expectation last.
pub(crate) fn contributions(
    trees: &[Tree],
    columns: &Columns,
    x: &ArrayView2<f64>,
    (start, factor): (f64, f64),
    threads: usize,
) -> Result<Array2<f64>, TreeError> {
    columns.check_width(x)?;
    let width = columns.len();
    let mut found = vec![0.0; x.nrows() * (width + 1)];
    let mut expectation = 0.0;
    let all = Explaining { columns, x: x.view(), threads };
    for tree in trees {
        let skeleton = Skeleton::of(tree);
        expectation += skeleton.expectation;
        all.add(tree, &skeleton, &mut found);
    }
    for row in found.chunks_exact_mut(width + 1) {
        row.iter_mut().for_each(|share| *share *= factor);
        if let Some(last) = row.last_mut() {
            *last = start + factor * expectation;
        }
    }
    Array2::from_shape_vec((x.nrows(), width + 1), found)
        .map_err(|_| TreeError::Columns { found: x.ncols(), expected: width })
}

#[cfg(test)]
mod tests;
