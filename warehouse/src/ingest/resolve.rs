//! From planned files and the hashes of doubtful ones to deliveries with numbers; pure.

use std::collections::HashMap;

use super::error::IngestError;
use super::ledger::{DeliveryRecord, DeliveryState, Ledger};
use super::plan::{IngestPlan, PlannedDelivery, Reason, duplicates};
use crate::plain::escaped;
use crate::project::contract::{Contract, Delivery, Duplicates};

/// What is to be read, and the ledger as it will be once it was.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) ledger: Ledger,
    /// In the order of their numbers; each has its record in the ledger, without rows yet.
    pub(crate) to_load: Vec<(i64, PlannedDelivery)>,
    /// Deliveries whose rows must go.
    pub(crate) replaced: Vec<i64>,
    pub(crate) warnings: Vec<String>,
}

/// Number the deliveries; `hashes` has the content of every file planned with `hash_first`.
///
/// A snapshot or upsert whose twin is not the newest delivery is loaded even where twins are
/// skipped: the newest wins there, so an old content that comes again is news.
pub(crate) fn resolve(
    contract: &Contract,
    plan: &IngestPlan,
    hashes: &HashMap<String, String>,
) -> Result<Resolved, IngestError> {
    let mut resolved = Resolved { ledger: plan.ledger.clone(), ..Resolved::default() };
    for planned in &plan.deliveries {
        let content = hashes.get(&planned.file.path).cloned();
        let again = match planned.reason {
            Reason::Again { number } => Some(number),
            Reason::Changed { number } if plan.anew && resolved.has(number, content.as_deref()) => Some(number),
            _ => None,
        };
        match again {
            Some(number) => resolved.again(planned, number),
            None if resolved.touch(planned, content.as_deref()) => {}
            None => resolved.number(contract, planned, content)?,
        }
    }
    resolved.take_left_out(plan);
    resolved.to_load.sort_by_key(|(number, _)| *number);
    Ok(resolved)
}

impl Resolved {
    /// Whether a delivery is loaded and has a content.
    fn has(&self, number: i64, content: Option<&str>) -> bool {
        let mut loaded = self.ledger.loaded();
        loaded.any(|record| record.number == number && Some(record.content.as_str()) == content)
    }

    /// A file that is read anew takes the place of its own rows, under another number, as a corrected one does.
    fn again(&mut self, planned: &PlannedDelivery, old: i64) {
        let number = self.ledger.next_number();
        let Some(before) = self.ledger.record_mut(old) else { return };
        before.state = DeliveryState::Replaced { by: number };
        let content = Some(before.content.clone());
        self.replaced.push(old);
        self.to_load.push((number, planned.clone()));
        self.ledger.deliveries.push(record(number, planned, content, DeliveryState::Loaded));
    }

    /// A file that was only written again keeps its delivery; its etag and time are noted.
    fn touch(&mut self, planned: &PlannedDelivery, content: Option<&str>) -> bool {
        let Reason::Changed { number } = planned.reason else { return false };
        let Some(record) = self.ledger.record_mut(number) else { return false };
        if content != Some(record.content.as_str()) {
            return false;
        }
        record.etag.clone_from(&planned.file.etag);
        record.modified = planned.file.modified;
        true
    }

    fn number(
        &mut self,
        contract: &Contract,
        planned: &PlannedDelivery,
        content: Option<String>,
    ) -> Result<(), IngestError> {
        let twin = content.as_deref().and_then(|content| self.twin(content, &planned.file.path)).cloned();
        let skipped = match &twin {
            Some(twin) => self.skips(contract, planned, twin)?,
            None => false,
        };
        let number = self.ledger.next_number();
        if let Reason::Changed { number: old } = planned.reason
            && let Some(record) = self.ledger.record_mut(old)
        {
            if record.is_loaded() {
                self.replaced.push(old);
            }
            record.state = DeliveryState::Replaced { by: number };
        }
        let state = match twin {
            Some(twin) if skipped => DeliveryState::Skipped { twin: twin.number },
            _ => DeliveryState::Loaded,
        };
        if state == DeliveryState::Loaded {
            self.to_load.push((number, planned.clone()));
        }
        self.ledger.deliveries.push(record(number, planned, content, state));
        Ok(())
    }

    /// A file that was left out for its twin is loaded, under its own number, once the twin has another content.
    fn take_left_out(&mut self, plan: &IngestPlan) {
        for planned in plan.deliveries.iter().chain(&plan.skipped) {
            let path = &planned.file.path;
            if !self.ledger.is_left_out(path) {
                continue;
            }
            let number = self.ledger.current(path).map(|record| record.number).unwrap_or_default();
            if let Some(record) = self.ledger.record_mut(number) {
                record.state = DeliveryState::Loaded;
                self.to_load.push((number, planned.clone()));
                self.warnings.push(format!(
                    "`{}` was skipped for another file with its content, which has another by now: it is loaded",
                    escaped(path)
                ));
            }
        }
    }

    fn twin(&self, content: &str, path: &str) -> Option<&DeliveryRecord> {
        let same = |record: &&DeliveryRecord| record.content == content && record.path != path;
        self.ledger.loaded().filter(same).last()
    }

    fn skips(
        &mut self,
        contract: &Contract,
        planned: &PlannedDelivery,
        twin: &DeliveryRecord,
    ) -> Result<bool, IngestError> {
        let (path, other) = (escaped(&planned.file.path), escaped(&twin.path));
        let number = twin.number;
        let newest = self.ledger.loaded().last().is_some_and(|record| record.number == number);
        match duplicates(contract) {
            None => Ok(false),
            Some(Duplicates::Fail) => Err(IngestError::Duplicate {
                path: planned.file.path.clone(),
                twin: twin.path.clone(),
                number,
                contract: contract.file.clone(),
            }),
            Some(Duplicates::Skip) if newest || contract.spec.delivery == Delivery::Append => {
                self.warnings.push(format!("`{path}` has the content of `{other}` (delivery {number}) and is skipped"));
                Ok(true)
            }
            Some(Duplicates::Skip | Duplicates::Load) => {
                self.warnings.push(format!(
                    "`{path}` has the content of `{other}` (delivery {number}) and is loaded all the same; bronze keeps what was delivered: if one of them is a mistake, deliver a file of that very name with the header line alone (or empty), which takes its rows out again — `duplicates: skip` leaves such a file out the next time"
                ));
                Ok(false)
            }
        }
    }
}

fn record(number: i64, planned: &PlannedDelivery, content: Option<String>, state: DeliveryState) -> DeliveryRecord {
    let file = &planned.file;
    DeliveryRecord {
        number,
        path: file.path.clone(),
        size: file.size,
        etag: file.etag.clone(),
        modified: file.modified,
        content: content.unwrap_or_default(),
        date: file.date,
        night: planned.night,
        rows: 0,
        quarantined: 0,
        state,
        reading: None,
    }
}
