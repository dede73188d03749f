//! Where a score stands among all of the night.

use crate::project::ml::Tier;

/// All scores of a night, in order.
pub(super) struct Standing {
    sorted: Vec<f64>,
}

impl Standing {
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_unstable_by(f64::total_cmp);
        Self { sorted: scores }
    }

    /// Share of the scores that are at most this one.
    pub fn percentile(&self, score: f64) -> f64 {
        let at_most = self.sorted.partition_point(|other| other.total_cmp(&score).is_le());
        at_most as f64 / self.sorted.len().max(1) as f64
    }

    /// The first tier that a score reaches. Of equal scores all reach what one does.
    pub fn tier<'a>(&self, score: f64, tiers: &'a [Tier]) -> Option<&'a str> {
        let above = 1.0 - self.percentile(score);
        let reaches = |tier: &&Tier| match (tier.at_least, tier.top) {
            (Some(least), _) => score >= least,
            (None, Some(top)) => above < top,
            (None, None) => false,
        };
        tiers.iter().find(reaches).map(|tier| tier.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::located::Located;

    #[test]
    fn equal_scores_are_in_one_tier_and_the_first_that_is_reached_counts() {
        let tier = |name: &str, at_least, top| Tier { name: Located::nowhere(name.to_owned()), at_least, top };
        let tiers = [tier("top", None, Some(0.25)), tier("likely", Some(0.5), None)];
        let standing = Standing::new(vec![0.1, 0.9, 0.6, 0.9, 0.2, 0.3, 0.4, 0.05]);
        assert_eq!([0.9, 0.6, 0.4].map(|score| standing.tier(score, &tiers)), [Some("top"), Some("likely"), None]);
        assert_eq!([0.9, 0.05].map(|score| standing.percentile(score)), [1.0, 0.125]);
    }
}
