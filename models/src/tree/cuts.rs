//! Where the bins of one numeric column end.

/// Ends of at most `bins` bins of about equal mass, from a sample of the column.
///
/// A value x falls into the first bin whose end is not below it: bin b holds `cuts[b-1] < x <= cuts[b]`. Where there
/// are no more distinct values than bins, each has its own. Otherwise a value that alone is heavier than a bin's share
/// keeps a bin of its own and the rest is shared out anew, as in Ke et al. (2017), section 2.1, and their code.
/// Cuts lie halfway between neighbours. NaN and infinities are not asked: a cut is always finite.
pub(crate) fn cuts(mut sample: Vec<f64>, bins: usize) -> Vec<f64> {
    sample.retain(|x| x.is_finite());
    sample.sort_unstable_by(f64::total_cmp);
    let distinct = distinct(&sample);
    let ends = if distinct.len() <= bins { (1..distinct.len()).collect() } else { ends(&distinct, sample.len(), bins) };
    ends.into_iter().filter_map(|end| Some(between(distinct.get(end - 1)?.0, distinct.get(end)?.0))).collect()
}

fn distinct(sorted: &[f64]) -> Vec<(f64, usize)> {
    let mut found: Vec<(f64, usize)> = Vec::new();
    for &x in sorted {
        match found.last_mut() {
            Some((last, count)) if *last == x => *count += 1,
            _ => found.push((x, 1)),
        }
    }
    found
}

/// Places in `distinct` before which a bin ends.
fn ends(distinct: &[(f64, usize)], total: usize, bins: usize) -> Vec<usize> {
    let share = total as f64 / bins as f64;
    let is_heavy = |count: usize| count as f64 >= share;
    let heavy = distinct.iter().filter(|(_, count)| is_heavy(*count));
    let (heavy_values, heavy_rows) = heavy.fold((0, 0), |(values, rows), (_, count)| (values + 1, rows + count));
    let mut bins_left = bins.saturating_sub(heavy_values).max(1);
    let mut rows_left = total - heavy_rows;
    let mut share = rows_left as f64 / bins_left as f64;
    let mut found = Vec::with_capacity(bins);
    let mut held = 0;
    for (place, pair) in distinct.windows(2).enumerate() {
        let &[(_, count), (_, next)] = pair else { continue };
        held += count;
        if !is_heavy(count) {
            rows_left -= count;
        }
        let next_is_heavy = is_heavy(next);
        if found.len() + 1 < bins
            && (is_heavy(count) || held as f64 >= share || (next_is_heavy && held as f64 >= share * 0.5))
        {
            found.push(place + 1);
            held = 0;
            if !is_heavy(count) {
                bins_left = bins_left.saturating_sub(1).max(1);
                share = rows_left as f64 / bins_left as f64;
            }
        }
    }
    found
}

/// A number that is at least `low` and below `high`.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(cuts: &[f64], x: f64) -> usize {
        cuts.iter().filter(|&&cut| cut < x).count()
    }

    #[test]
    fn few_values_have_a_bin_each() {
        let found = cuts(vec![3.0, 1.0, 2.0, 1.0, f64::NAN, f64::INFINITY], 255);
        assert_eq!(found, [1.5, 2.5]);
        assert!(cuts(vec![7.0; 100], 255).is_empty());
        assert!(cuts(vec![f64::NAN; 3], 255).is_empty());
    }

    #[test]
    fn bins_of_many_values_have_about_equal_mass() {
        let values: Vec<f64> = (0..10_000).map(|i| (f64::from(i) / 100.0).exp()).collect();
        let found = cuts(values.clone(), 100);
        assert_eq!(found.len(), 99);
        let mut mass = vec![0; 100];
        values.iter().for_each(|&x| mass[bin(&found, x)] += 1);
        assert!(mass.iter().all(|&m| (90..=110).contains(&m)), "{mass:?}");
    }

    #[test]
    fn a_value_heavier_than_a_bin_is_alone_in_its_own() {
        let mut values = vec![0.0; 5_000];
        values.extend((1..=5_000).map(f64::from));
        let found = cuts(values.clone(), 11);
        assert!(found.len() <= 10);
        let with_zero = values.iter().filter(|&&x| bin(&found, x) == bin(&found, 0.0)).count();
        assert_eq!(with_zero, 5_000);
    }

    #[test]
    fn neighbours_without_a_number_between_them_are_told_apart() {
        let next = f64::from_bits(1.0_f64.to_bits() + 1);
        let found = cuts(vec![1.0, next], 255);
        assert_eq!((bin(&found, 1.0), bin(&found, next)), (0, 1));
        let found = cuts(vec![-f64::MAX, f64::MAX], 255);
        assert_eq!((bin(&found, -f64::MAX), bin(&found, f64::MAX)), (0, 1));
    }
}
