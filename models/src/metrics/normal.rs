//! The normal distribution's tail.

/// P(Z > z) of a standard normal, to about 1e-14 relative.
pub(super) fn upper_tail(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// Complementary error function (Abramowitz & Stegun 1964, 7.1.6 near 0 and 7.1.14 beyond).
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    let gauss = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.0 {
        // erf x = 2 e^(-x^2) / sqrt(pi) * sum of 2^n x^(2n+1) / (1 3 5 .. (2n+1))
        let (mut term, mut sum) = (x, x);
        for n in 1..120 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
            if term < 1e-17 * sum {
                break;
            }
        }
        return 1.0 - 2.0 * gauss * sum;
    }
    // The continued fraction from its far end: 1 / (x + (1/2) / (x + 1 / (x + (3/2) / (x + ...)))).
    let mut tail = 0.0;
    for n in (1..=80).rev() {
        tail = 0.5 * f64::from(n) / (x + tail);
    }
    gauss / (x + tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1 `norm.sf`; relative 1e-12, for p-values are read to a few digits.
    #[test]
    fn tail_equals_scipys() {
        for (z, expected) in [
            (0.0, 0.5),
            (-1.0, 0.841_344_746_068_542_9),
            (1.959_963_984_540_054, 0.025),
            (2.828_5, 0.002_338_335_054_464_852_7),
            (5.0, 2.866_515_718_791_933e-7),
            (10.0, 7.619_853_024_160_47e-24),
        ] {
            assert!((upper_tail(z) / expected - 1.0).abs() < 1e-12, "{z}: {}", upper_tail(z));
        }
    }
}
