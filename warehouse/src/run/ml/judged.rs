//! The scores of one night and what came: area under the curve, error, tenths.

/// Rows of equal score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Judged {
    pub score: f64,
    /// How many.
    pub rows: f64,
    /// Sum of their labels.
    pub labels: f64,
    /// Sum of the squared differences of label and score.
    pub squares: f64,
}

/// Some rows of different scores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sum {
    pub rows: f64,
    scores: f64,
    labels: f64,
}

impl Sum {
    fn add(&mut self, judged: &Judged) {
        self.rows += judged.rows;
        self.scores += judged.rows * judged.score;
        self.labels += judged.labels;
    }

    pub fn mean_score(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.scores / self.rows)
    }

    pub fn mean_label(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.labels / self.rows)
    }
}

/// The scores of a night, the highest first.
#[derive(Debug, Default)]
pub(super) struct Night {
    judged: Vec<Judged>,
    all: Sum,
}

impl Night {
    /// Adds rows of the next lower score.
    pub fn add(&mut self, judged: Judged) {
        self.all.add(&judged);
        self.judged.push(judged);
    }

    pub fn rows(&self) -> f64 {
        self.all.rows
    }

    pub fn mean_score(&self) -> Option<f64> {
        self.all.mean_score()
    }

    pub fn mean_label(&self) -> Option<f64> {
        self.all.mean_label()
    }

    /// Area under the ROC curve (Mann & Whitney 1947, equal scores counting half); `None` with one class.
    pub fn auc(&self) -> Option<f64> {
        let (positives, negatives) = (self.all.labels, self.all.rows - self.all.labels);
        let mut below = negatives;
        let mut pairs = 0.0;
        for judged in &self.judged {
            let own = judged.rows - judged.labels;
            below -= own;
            pairs += judged.labels * (below + own / 2.0);
        }
        (positives > 0.0 && negatives > 0.0).then(|| pairs / (positives * negatives))
    }

    /// Root of the mean squared error.
    pub fn rmse(&self) -> Option<f64> {
        let squares: f64 = self.judged.iter().map(|judged| judged.squares).sum();
        (self.all.rows > 0.0).then(|| (squares / self.all.rows).sqrt())
    }

    /// Tenths of the rows, the highest scores first; equal scores are in one, that of their middle.
    pub fn tenths(&self) -> [Sum; 10] {
        let mut tenths = [Sum::default(); 10];
        let mut before = 0.0;
        for judged in &self.judged {
            let middle = (before + judged.rows / 2.0) / self.all.rows;
            let place = ((middle * 10.0) as usize).min(9);
            if let Some(tenth) = tenths.get_mut(place) {
                tenth.add(judged);
            }
            before += judged.rows;
        }
        tenths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn night(rows: &[(f64, f64, f64)]) -> Night {
        let mut night = Night::default();
        for (score, rows, labels) in rows {
            night.add(Judged { score: *score, rows: *rows, labels: *labels, squares: 0.0 });
        }
        night
    }

    #[test]
    fn the_area_counts_pairs_and_equal_scores_half() {
        // Positives at .9 and .5, negatives at .5 and .1: pairs 1, 1, 1/2, 1 of 4.
        let found = night(&[(0.9, 1.0, 1.0), (0.5, 2.0, 1.0), (0.1, 1.0, 0.0)]);
        assert_eq!(found.auc(), Some(0.875));
        assert_eq!(night(&[(0.9, 3.0, 3.0)]).auc(), None);
    }

    #[test]
    fn tenths_keep_equal_scores_together_and_add_up_to_all_rows() {
        let found = night(&[(0.9, 10.0, 8.0), (0.5, 80.0, 20.0), (0.1, 10.0, 1.0)]);
        let tenths = found.tenths();
        assert_eq!(tenths.iter().map(|tenth| tenth.rows).sum::<f64>(), 100.0);
        assert_eq!(tenths[0].mean_label(), Some(0.8));
        assert_eq!((tenths[5].rows, tenths[9].mean_score()), (80.0, Some(0.1)));
    }
}
