//! The best split of a node, from its histogram.
//!
//! With G and H the sums of gradients and hessians of a side, a split gains
//! `G_l^2/(H_l+l2) + G_r^2/(H_r+l2) - G^2/(H+l2)`: twice equation 7 of Chen & Guestrin (2016), without its penalty for
//! a leaf. Where an output is bounded (monotone constraints, a largest step) a side scores
//! `-(2 G w + (H+l2) w^2)` at the bounded output w.

use super::bins::{Column, MISSING};
use super::fixed::{Cell, EMPTY, Scale, add, less};
use super::histogram::Cells;

/// Bins of a categorical column that go left.
pub(crate) type Set = [u64; 4];

pub(crate) fn holds(set: &Set, bin: u8) -> bool {
    set.get(usize::from(bin >> 6)).is_some_and(|word| word >> (bin & 63) & 1 == 1)
}

/// Which present values go left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Those of this bin and lower ones.
    UpTo(u8),
    Among(Set),
}

/// A rule with the side of missing values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Way {
    pub(crate) column: usize,
    pub(crate) rule: Rule,
    pub(crate) missing_left: bool,
}

impl Way {
    pub(crate) fn goes_left(&self, bin: u8) -> bool {
        match &self.rule {
            _ if bin == MISSING => self.missing_left,
            Rule::UpTo(last) => bin <= *last,
            Rule::Among(set) => holds(set, bin),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) way: Way,
    pub(crate) gain: f64,
    pub(crate) left: Cell,
    pub(crate) right: Cell,
}

/// What a leaf may not fall below, and what is taken from its score.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) l2: f64,
    pub(crate) min_samples: u64,
    pub(crate) min_hessian: f64,
    pub(crate) min_gain: f64,
    /// Largest output before shrinkage.
    pub(crate) max_step: f64,
}

/// Outputs that a node may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Added to the hessians that order categories, and the least rows of one that is told apart; LightGBM's `cat_smooth`.
const SMOOTHING: f64 = 10.0;
/// Added to `l2` for a split by categories; LightGBM's `cat_l2`.
const CATEGORICAL_L2: f64 = 10.0;
/// With so few categories there is little to overfit; LightGBM's `max_cat_to_onehot`.
const FEW_CATEGORIES: usize = 4;
/// A gain below this share of the node's score is rounding.
const ROUNDING: f64 = 1e-12;

/// How one column may be split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Splitting {
    bins: usize,
    categorical: bool,
    /// 1 where the output may only rise with the column, -1 where it may only fall.
    monotone: i8,
}

impl Splitting {
    pub(crate) fn of(column: &Column, monotone: i8) -> Self {
        Self { bins: column.bins(), categorical: column.is_categorical(), monotone }
    }

    pub(crate) fn monotone(&self) -> i8 {
        self.monotone
    }
}

/// A node whose split is sought.
pub(crate) struct Search<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) scale: &'a Scale,
    pub(crate) total: Cell,
    pub(crate) bounds: Bounds,
    pub(crate) best: Option<Split>,
}

/// The best place of one scan.
struct Found {
    score: f64,
    place: usize,
    left: Cell,
}

impl Search<'_> {
    /// The output of a leaf with these sums: `-G/(H+l2)`, within the bounds.
    pub(crate) fn output(&self, cell: Cell) -> f64 {
        output(self.scale.gradient(cell), self.scale.hessian(cell) + self.limits.l2, self.bounds)
    }

    /// Offers the splits of one column; of equal gains the first offered stays.
    pub(crate) fn offer(&mut self, number: usize, column: Splitting, cells: &Cells) {
        if column.categorical {
            self.offer_categories(number, column, cells);
        } else {
            self.offer_numeric(number, column, cells);
        }
    }

    fn offer_numeric(&mut self, number: usize, column: Splitting, cells: &Cells) {
        let missing = cells.of(MISSING);
        let values = cells.values(column.bins);
        let any_missing = self.scale.count(missing) > 0;
        // With missing values on the right, "everything present" is a side too.
        let right = if any_missing { values } else { values.get(..column.bins - 1).unwrap_or(&[]) };
        let way = |place: usize, missing_left| {
            let last = u8::try_from(place).unwrap_or(MISSING);
            Way { column: number, rule: Rule::UpTo(last), missing_left }
        };
        if let Some(found) = self.scan(right, EMPTY, self.limits.l2, column.monotone) {
            let missing_left = !any_missing && self.is_larger(found.left);
            self.keep(&found, way(found.place, missing_left), self.limits.l2);
        }
        if any_missing {
            let left = values.get(..column.bins - 1).unwrap_or(&[]);
            if let Some(found) = self.scan(left, missing, self.limits.l2, column.monotone) {
                self.keep(&found, way(found.place, true), self.limits.l2);
            }
        }
    }

    /// Categories in the order of their gradient over hessian: the best division into two sets is then a cut of the
    /// row (Fisher 1958), as in LightGBM.
    fn offer_categories(&mut self, number: usize, column: Splitting, cells: &Cells) {
        let missing = cells.of(MISSING);
        let mut present: Vec<(f64, u8, Cell)> = (0_u8..)
            .zip(cells.values(column.bins))
            .filter(|(_, cell)| self.scale.count(**cell) as f64 >= SMOOTHING)
            .map(|(bin, &cell)| (self.scale.gradient(cell) / (self.scale.hessian(cell) + SMOOTHING), bin, cell))
            .collect();
        present.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let l2 = self.limits.l2 + if column.bins > FEW_CATEGORIES { CATEGORICAL_L2 } else { 0.0 };
        let row: Vec<Cell> = present.iter().map(|&(_, _, cell)| cell).collect();
        let any_missing = self.scale.count(missing) > 0;
        for (start, missing_left) in [(EMPTY, false), (missing, true)] {
            if missing_left && !any_missing {
                continue;
            }
            let Some(found) = self.scan(&row, start, l2, 0) else { continue };
            let mut set = [0; 4];
            for (_, bin, _) in present.iter().take(found.place + 1) {
                if let Some(word) = set.get_mut(usize::from(bin >> 6)) {
                    *word |= 1 << (bin & 63);
                }
            }
            let missing_left = if any_missing { missing_left } else { self.is_larger(found.left) };
            self.keep(&found, Way { column: number, rule: Rule::Among(set), missing_left }, l2);
        }
    }

    fn is_larger(&self, left: Cell) -> bool {
        self.scale.count(left) * 2 > self.scale.count(self.total)
    }

    fn is_bounded(&self) -> bool {
        self.bounds.low != f64::NEG_INFINITY || self.bounds.high != f64::INFINITY
    }

    fn scan(&self, cells: &[Cell], start: Cell, l2: f64, monotone: i8) -> Option<Found> {
        if monotone != 0 || self.is_bounded() {
            let monotone = f64::from(monotone);
            self.scan_by(cells, start, l2, |g_l, h_l, g_r, h_r| {
                let (left, right) = (output(g_l, h_l, self.bounds), output(g_r, h_r, self.bounds));
                let score = bounded_score(g_l, h_l, left) + bounded_score(g_r, h_r, right);
                if (right - left) * monotone < 0.0 { f64::NEG_INFINITY } else { score }
            })
        } else {
            // One division instead of two.
            self.scan_by(cells, start, l2, |g_l, h_l, g_r, h_r| (g_l * g_l * h_r + g_r * g_r * h_l) / (h_l * h_r))
        }
    }

    fn scan_by(
        &self,
        cells: &[Cell],
        start: Cell,
        l2: f64,
        score: impl Fn(f64, f64, f64, f64) -> f64,
    ) -> Option<Found> {
        let Limits { min_samples, min_hessian, .. } = *self.limits;
        let mut left = start;
        let mut best = Found { score: f64::NEG_INFINITY, place: usize::MAX, left };
        for (place, &cell) in cells.iter().enumerate() {
            if cell == EMPTY {
                continue;
            }
            left = add(left, cell);
            if self.scale.count(left) < min_samples {
                continue;
            }
            let right = less(self.total, left);
            if self.scale.count(right) < min_samples {
                break;
            }
            let (h_l, h_r) = (self.scale.hessian(left), self.scale.hessian(right));
            if h_l < min_hessian || h_r < min_hessian {
                continue;
            }
            let score = score(self.scale.gradient(left), h_l + l2, self.scale.gradient(right), h_r + l2);
            if score > best.score {
                best = Found { score, place, left };
            }
        }
        (best.place != usize::MAX).then_some(best)
    }

    fn keep(&mut self, found: &Found, way: Way, l2: f64) {
        let (gradient, hessian) = (self.scale.gradient(self.total), self.scale.hessian(self.total) + l2);
        let now = if self.is_bounded() {
            bounded_score(gradient, hessian, output(gradient, hessian, self.bounds))
        } else {
            gradient * gradient / hessian
        };
        let gain = found.score - now;
        let least = self.limits.min_gain.max(now.abs() * ROUNDING);
        if gain > self.best.map_or(least, |best| best.gain) {
            let right = less(self.total, found.left);
            self.best = Some(Split { way, gain, left: found.left, right });
        }
    }
}

fn output(gradient: f64, hessian: f64, bounds: Bounds) -> f64 {
    if hessian <= 0.0 { 0.0 } else { (-gradient / hessian).max(bounds.low).min(bounds.high) }
}

fn bounded_score(gradient: f64, hessian: f64, output: f64) -> f64 {
    -(2.0 * gradient * output + hessian * output * output)
}
