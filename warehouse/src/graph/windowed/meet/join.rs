//! Joins: rows of both sides meet where a condition ties the moment of one to that of the other.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, JoinType, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, Operator};

use super::super::bound::DAY;
use super::Walk;
use super::rows::{Latest, Rows, Timed, column, is_made_of};
use super::time::{Reach, Time, Times};

/// What a condition says of the moments of two rows that it lets meet.
struct Tie {
    left: Time,
    right: Time,
    /// Nanoseconds that the right one's comes after the left one's, at least and at most.
    least: i64,
    most: i64,
}

/// Further apart than any two moments.
const FOREVER: i64 = i64::MAX / 4;

impl Tie {
    /// How far the rows of a left moment are there that meet all they would meet.
    fn of_left(&self, left: Reach, right: Reach) -> Reach {
        let (left, right) = (self.left.reach_of(left), self.right.reach_of(right));
        self.left.class_reach(left.least(Reach {
            before: right.before.saturating_add(self.least),
            after: right.after.saturating_sub(self.most),
        }))
    }

    fn turned(&self) -> Self {
        let (least, most) = (self.most.saturating_neg(), self.least.saturating_neg());
        Self { left: self.right, right: self.left, least, most }
    }
}

impl Walk<'_> {
    pub(super) fn joined(&mut self, join: &Join) -> Result<Rows> {
        let (left, right) = (self.rows(&join.left)?, self.rows(&join.right)?);
        let mut conditions = join.filter.iter().flat_map(split_conjunction);
        if conditions.any(|condition| self.is_of_window(condition)) {
            return Ok(Rows::Mixed);
        }
        Ok(match (left, right) {
            (Rows::Mixed | Rows::Ranked(..), _) | (_, Rows::Mixed | Rows::Ranked(..)) => Rows::Mixed,
            (Rows::Latest(_), Rows::Latest(_)) => Rows::Mixed,
            (Rows::Same, Rows::Same) => Rows::Same,
            (Rows::Latest(latest), Rows::Same) => {
                let other = vec![false; join.right.schema().fields().len()];
                Beside { join, latest, is_right: false, other }.looked_up()?
            }
            (Rows::Same, Rows::Latest(latest)) => {
                let other = vec![false; join.left.schema().fields().len()];
                Beside { join, latest, is_right: true, other }.looked_up()?
            }
            (Rows::Latest(latest), Rows::Timed(Timed { made: other, .. })) => {
                Beside { join, latest, is_right: false, other }.of_own_windows()?
            }
            (Rows::Timed(Timed { made: other, .. }), Rows::Latest(latest)) => {
                Beside { join, latest, is_right: true, other }.of_own_windows()?
            }
            // One NULL of another window would leave no row.
            (_, Rows::Timed(_)) if join.null_aware => Rows::Mixed,
            (Rows::Timed(left), Rows::Timed(right)) => self.tied(join, (left, false), (right, false)),
            (Rows::Timed(left), Rows::Same) => {
                let right = self.timed(join.right.schema());
                self.tied(join, (left, false), (right, true))
            }
            (Rows::Same, Rows::Timed(right)) => {
                let left = self.timed(join.left.schema());
                self.tied(join, (left, true), (right, false))
            }
        })
    }

    /// Rows of two sides, of each of which it is known whether it is the same whichever windows are asked for.
    fn tied(&self, join: &Join, (left, is_left_same): (Timed, bool), (right, is_right_same): (Timed, bool)) -> Rows {
        let ties =
            ties(join, left.times(join.left.schema(), self.length), right.times(join.right.schema(), self.length));
        let turned: Vec<Tie> = ties.iter().map(Tie::turned).collect();
        let mut classes = if is_right_same { left.classes.clone() } else { meeting(&ties, &left, &right) };
        classes.extend(if is_left_same { right.classes.clone() } else { meeting(&turned, &right, &left) });
        let columns = of_sides(join, &left.columns, &right.columns, None);
        let made = of_sides(join, &left.made, &right.made, false);
        Timed { classes: left.classes.into_iter().chain(right.classes).collect(), columns, made }.within(classes)
    }
}

/// How far the rows of each of the left's moments are there that meet all of the right's.
fn meeting(ties: &[Tie], left: &Timed, right: &Timed) -> BTreeMap<usize, Reach> {
    let mut classes: BTreeMap<usize, Reach> = BTreeMap::new();
    for tie in ties {
        let (Some(of_left), Some(of_right)) = (left.classes.get(&tie.left.class), right.classes.get(&tie.right.class))
        else {
            continue;
        };
        let reach = tie.of_left(*of_left, *of_right).least(*of_left);
        let known = classes.entry(tie.left.class).or_insert(reach);
        if known.least(reach) == *known {
            *known = reach;
        }
    }
    classes
}

/// The ties of a join: equal moments, and such as are at most so far apart.
fn ties(join: &Join, left: Times<'_>, right: Times<'_>) -> Vec<Tie> {
    let mut ties: Vec<Tie> = Vec::new();
    let mut take = |at_left: Time, at_right: Time, least: Option<i64>, most: Option<i64>| {
        let ((at_left, of_left), (at_right, of_right)) = (at_left.split(), at_right.split());
        let by = of_left.saturating_sub(of_right);
        let known = ties.iter().position(|tie| (tie.left, tie.right) == (at_left, at_right));
        let new = Tie { left: at_left, right: at_right, least: -FOREVER, most: FOREVER };
        let mut tie = known.map_or(new, |at| ties.swap_remove(at));
        tie.least = least.map_or(tie.least, |least| tie.least.max(least.saturating_add(by)));
        tie.most = most.map_or(tie.most, |most| tie.most.min(most.saturating_add(by)));
        ties.push(tie);
    };
    for (one, other) in &join.on {
        if let Some((one, other)) = left.of(one).zip(right.of(other)) {
            take(one, other, Some(0), Some(0));
        }
    }
    for condition in join.filter.iter().flat_map(split_conjunction) {
        let Expr::BinaryExpr(BinaryExpr { left: one, op, right: other }) = condition else { continue };
        let turned = op.swap().map(|op| (other, one, op));
        for (one, other, op) in [Some((one, other, *op)), turned].into_iter().flatten() {
            let Some((at_left, at_right)) = left.of(one).zip(right.of(other)) else { continue };
            // Of two days the one that is later is a day later.
            let step = if is_date(one, left) && is_date(other, right) { DAY } else { 0 };
            match op {
                Operator::Eq => take(at_left, at_right, Some(0), Some(0)),
                Operator::Lt => take(at_left, at_right, Some(step), None),
                Operator::LtEq => take(at_left, at_right, Some(0), None),
                Operator::Gt => take(at_left, at_right, None, Some(-step)),
                Operator::GtEq => take(at_left, at_right, None, Some(0)),
                _ => {}
            }
        }
    }
    ties
}

fn is_date(expr: &Expr, of: Times<'_>) -> bool {
    expr.get_type(of.schema).is_ok_and(|kind| kind == DataType::Date32)
}

/// What a join gives of its two sides.
fn of_sides<T: Clone>(join: &Join, left: &[T], right: &[T], mark: T) -> Vec<T> {
    let mut given: Vec<T> = match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left.to_vec(),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right.to_vec(),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            left.iter().chain(right).cloned().collect()
        }
    };
    given.resize(join.schema.fields().len(), mark);
    given
}

/// The last rows of keys, beside the other side of a join.
struct Beside<'a> {
    join: &'a Join,
    latest: Latest,
    is_right: bool,
    /// By column of the other side whether the time of the window is part of its value.
    other: Vec<bool>,
}

impl Beside<'_> {
    /// With what they find in rows that are the same whichever windows are asked for.
    fn looked_up(&self) -> Result<Rows> {
        let is_kept = match self.join.join_type {
            JoinType::Inner => true,
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => !self.is_right,
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => self.is_right,
            JoinType::Full => false,
        };
        let is_by_time = self.is_filtered_by_time()? || self.pairs().any(|(own, _)| self.is_own_made(own));
        Ok(if is_kept && !is_by_time { Rows::Latest(self.together()) } else { Rows::Mixed })
    }

    /// With the rows of their own windows: what is made of the time is the same on both sides.
    fn of_own_windows(&self) -> Result<Rows> {
        let other_schema = if self.is_right { self.join.left.schema() } else { self.join.right.schema() };
        let is_tied =
            self.pairs().any(|(own, other)| self.is_own_made(own) && is_made_of(other, other_schema, &self.other));
        let is_other_kept = match self.join.join_type {
            JoinType::Inner => true,
            JoinType::LeftSemi => self.is_right,
            JoinType::RightSemi => !self.is_right,
            _ => false,
        };
        let is_sound = is_other_kept && is_tied && !self.is_filtered_by_time()?;
        Ok(if is_sound { Rows::Latest(self.together()) } else { Rows::Mixed })
    }

    /// What the join holds equal, the own side first.
    fn pairs(&self) -> impl Iterator<Item = (&Expr, &Expr)> {
        self.join.on.iter().map(|(left, right)| if self.is_right { (right, left) } else { (left, right) })
    }

    fn own_schema(&self) -> &DFSchema {
        if self.is_right { self.join.right.schema() } else { self.join.left.schema() }
    }

    fn is_own_made(&self, expr: &Expr) -> bool {
        is_made_of(expr, self.own_schema(), &self.latest.made)
    }

    fn is_filtered_by_time(&self) -> Result<bool> {
        let Some(filter) = &self.join.filter else { return Ok(false) };
        let both = self.join.left.schema().join(self.join.right.schema())?;
        let made: Vec<bool> = self.left_first(&self.latest.made, &self.other).concat();
        Ok(is_made_of(filter, &both, &made))
    }

    fn left_first<'b, T>(&self, own: &'b [T], other: &'b [T]) -> [&'b [T]; 2] {
        if self.is_right { [other, own] } else { [own, other] }
    }

    fn together(&self) -> Latest {
        let width = self.join.left.schema().fields().len();
        let own_from = if self.is_right { width } else { 0 };
        let mut keys = self.latest.keys.clone();
        keys.iter_mut().for_each(|key| *key = key.iter().map(|own| own_from + own).collect());
        if matches!(self.join.join_type, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi) {
            for (left, right) in &self.join.on {
                let right = column(right, self.join.right.schema()).map(|right| width + right);
                let Some((left, right)) = column(left, self.join.left.schema()).zip(right) else { continue };
                for key in keys.iter_mut().filter(|key| key.contains(&left) || key.contains(&right)) {
                    key.extend([left, right]);
                }
            }
        }
        let [left, right] = self.left_first(&self.latest.made, &self.other);
        let places: Vec<Option<usize>> = (0..left.len() + right.len()).map(Some).collect();
        let (of_left, of_right) = places.split_at(left.len());
        let from = of_sides(self.join, of_left, of_right, None);
        Latest { keys, made: Vec::new() }.with_columns(&from, of_sides(self.join, left, right, false))
    }
}
