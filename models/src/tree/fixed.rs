//! Gradients and hessians as whole numbers, so that a histogram is exact.
//!
//! A sum of whole numbers does not depend on its order: histograms, and so the model's bytes, are the same however
//! rows are divided between threads, and a sibling is exactly its parent less the other child. A cell is two words:
//! the gradients' sum in two's complement, and the number of rows above the hessians' sum.

/// A row's gradient and hessian in units of a [`Scale`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Moment {
    gradient: i32,
    hessian: u32,
}

/// Sum of gradients; count of rows and sum of hessians.
pub(crate) type Cell = [u64; 2];

pub(crate) const EMPTY: Cell = [0; 2];

/// Most rows of one fit: beyond it a hessian would have less than 12 bits.
pub(crate) const MAX_ROWS: usize = (1 << 26) - 1;

const GRADIENT_BITS: i32 = 30;
const MAX_HESSIAN_BITS: u32 = 31;

/// What one unit is worth, for a set of rows and the largest gradient and hessian among them.
///
/// Units are powers of two, so that whole weights and targets of 0 and 1 are kept exactly. A gradient is rounded to
/// 2^-30 of the power of two above the largest. With n < 2^b rows the count takes b bits of its word and the sum of
/// hessians the rest, so that one hessian has min(31, 64 - 2b) bits: 28 at 200,000 rows, 22 at 2 million.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    per_gradient: f64,
    per_hessian: f64,
    gradient_unit: f64,
    hessian_unit: f64,
    shift: u32,
}

impl Scale {
    pub(crate) fn new(rows: usize, max_gradient: f64, max_hessian: f64) -> Self {
        let count_bits = usize::BITS - rows.max(1).leading_zeros();
        let shift = 64 - count_bits;
        let hessian_bits = MAX_HESSIAN_BITS.min(shift - count_bits);
        let per_gradient = f64::from(1_u32 << GRADIENT_BITS) / power_of_two(max_gradient);
        let per_hessian = f64::from(1_u32 << hessian_bits) / power_of_two(max_hessian);
        Self { per_gradient, per_hessian, gradient_unit: 1.0 / per_gradient, hessian_unit: 1.0 / per_hessian, shift }
    }

    pub(crate) fn moment(&self, gradient: f64, hessian: f64) -> Moment {
        // Half away from zero, without a call: `round` is a function where the processor has no instruction for it.
        let gradient = gradient * self.per_gradient;
        Moment {
            gradient: (gradient + 0.5_f64.copysign(gradient)) as i32,
            hessian: (hessian * self.per_hessian + 0.5) as u32,
        }
    }

    pub(crate) fn cell(&self, moment: Moment) -> Cell {
        [i64::from(moment.gradient) as u64, (1 << self.shift) | u64::from(moment.hessian)]
    }

    pub(crate) fn gradient(&self, cell: Cell) -> f64 {
        cell[0] as i64 as f64 * self.gradient_unit
    }

    pub(crate) fn hessian(&self, cell: Cell) -> f64 {
        // Below 2^63 by construction, and a signed conversion is one instruction.
        (cell[1] & ((1 << self.shift) - 1)) as i64 as f64 * self.hessian_unit
    }

    pub(crate) fn count(&self, cell: Cell) -> u64 {
        cell[1] >> self.shift
    }
}

/// The least power of two that is not below x, and not so small that its inverse is infinite.
fn power_of_two(x: f64) -> f64 {
    let x = x.max(f64::MIN_POSITIVE * 1e30);
    let below = f64::from_bits(x.to_bits() & !((1 << (f64::MANTISSA_DIGITS - 1)) - 1));
    if below < x { below * 2.0 } else { below }
}

pub(crate) fn add(one: Cell, other: Cell) -> Cell {
    [one[0].wrapping_add(other[0]), one[1].wrapping_add(other[1])]
}

pub(crate) fn less(whole: Cell, part: Cell) -> Cell {
    [whole[0].wrapping_sub(part[0]), whole[1].wrapping_sub(part[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_order_and_keep_the_stated_precision() {
        for rows in [1_usize, 7, 1_000, 200_000] {
            let scale = Scale::new(rows, 3.0, 0.25);
            let rows_of = |i: usize| {
                let t = (i * 7919 % 1000) as f64 / 1000.0;
                ((t - 0.5) * 6.0, t * 0.25)
            };
            let forwards = (0..rows).map(rows_of).fold(EMPTY, |sum, (g, h)| add(sum, scale.cell(scale.moment(g, h))));
            let backwards =
                (0..rows).rev().map(rows_of).fold(EMPTY, |sum, (g, h)| add(sum, scale.cell(scale.moment(g, h))));
            assert_eq!(forwards, backwards);
            assert_eq!(scale.count(forwards), rows as u64);
            let (gradient, hessian) = (0..rows).map(rows_of).fold((0.0, 0.0), |(a, b), (g, h)| (a + g, b + h));
            assert!((scale.gradient(forwards) - gradient).abs() < rows as f64 * 4e-9, "{rows}");
            assert!((scale.hessian(forwards) - hessian).abs() < rows as f64 * 1e-8, "{rows}");
        }
    }

    #[test]
    fn the_largest_fit_does_not_overflow_its_cells() {
        let scale = Scale::new(MAX_ROWS, 1.0, 1.0);
        let one = scale.cell(scale.moment(-1.0, 1.0));
        let whole = [one[0].wrapping_mul(MAX_ROWS as u64), one[1].wrapping_mul(MAX_ROWS as u64)];
        assert_eq!(scale.count(whole), MAX_ROWS as u64);
        assert!((scale.gradient(whole) / -(MAX_ROWS as f64) - 1.0).abs() < 1e-9);
        assert!((scale.hessian(whole) / MAX_ROWS as f64 - 1.0).abs() < 1e-9);
    }
}
