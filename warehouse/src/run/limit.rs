//! How many windows of before one run may rebuild.

use chrono::NaiveDate;

use super::changed::Changed;
use super::error::RunError;
use super::windowed::WindowedInputs;
use super::work::Work;
use crate::project::model::Model;

impl Changed {
    /// A correction of many windows is asked for by name: it may take much longer than a night has.
    pub fn within_limit(&self, work: &Work, model: &Model, inputs: &WindowedInputs) -> Result<(), RunError> {
        let over = self.over_limit(&mut self.windows.iter(), work, model, inputs);
        over.map_or(Ok(()), |said| Err(RunError::refused(&work.name, &said)))
    }

    /// What is said where more windows of before are to be built than one run may.
    pub fn over_limit(
        &self,
        windows: &mut dyn Iterator<Item = &NaiveDate>,
        work: &Work,
        model: &Model,
        inputs: &WindowedInputs,
    ) -> Option<String> {
        let spec = model.spec.incremental.as_ref().filter(|_| !inputs.unlimited)?;
        let length = model.spec.window();
        let late = length.before(length.start(work.night), spec.lookback);
        let was = |window: &NaiveDate| self.before.is_some_and(|(first, last)| first <= *window && *window <= last);
        let old: Vec<&NaiveDate> = windows.filter(|window| **window < late && was(window)).collect();
        let (first, last) = old.first().zip(old.last()).filter(|_| old.len() > spec.max_rebuild as usize)?;
        let changed = match old.len() {
            1 => "1 window".to_owned(),
            count => format!("{count} windows"),
        };
        // What reads it would have as many to rebuild.
        Some(format!(
            "{changed} before the lookback changed, from {first} to {last}, and `max_rebuild` is {} — \
             run `buho backfill --from {night} --to {night} --select {}+`, which rebuilds them and what reads them, or \
             raise it in {}",
            spec.max_rebuild,
            work.name,
            model.yml_file,
            night = work.night,
        ))
    }
}
