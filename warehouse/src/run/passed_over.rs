//! Audits that ask for columns or tables that came later than what they are asked of.
//!
//! A restored release has the columns of its own night, and so has a table that is not selected and stays: an audit that
//! was written for those to come says nothing of them. It is passed over, with a warning; once the table is built with
//! what it asks for, it is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::audits::node_reads;
use super::build::Build;
use super::error::RunError;
use super::unasked::{asking, listed};
use super::views;
use crate::audit::{self, Check};
use crate::error::ErrorKind;
use crate::project::model::Model;
use crate::session::Effort;

/// Finds such audits, says which they are, and has them left out.
///
/// # Errors
/// Where the lake cannot be read.
pub(super) async fn pass_over(build: &mut Build<'_>) -> Result<(), RunError> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let context = build.context;
    for model in context.project.models.values().filter(|model| may_lack(build, model)) {
        let Some(asking) = asking(build, model) else { continue };
        let checks: Vec<Check> = audit::checks_at(model, build.night())
            .into_iter()
            .filter(|check| asking.checks.contains(&check.name))
            .collect();
        let missing = unaskable(build, model, &checks).await?;
        if !missing.is_empty() {
            found.insert(model.name.clone(), missing);
        }
    }
    for (node, audits) in found {
        let why = match build.is_placed() {
            true => "the release that is restored does not have what they ask for".to_owned(),
            false => format!(
                "what stays as it was released, for it is not selected, does not have yet what they ask for; they are asked once it is built (`buho run --night {} --select +{}`)",
                build.night(),
                node.rsplit('.').next().unwrap_or(&node)
            ),
        };
        let named: Vec<String> = audits.iter().map(|audit| format!("{audit} of {node}")).collect();
        build.passed_over.extend(audits.into_iter().map(|audit| (node.clone(), audit)));
        build.warn(format!("{} not asked: {why}", listed(&named)));
    }
    Ok(())
}

/// Whether a node, or what its audits compare it with, may have other columns than the project says.
fn may_lack(build: &Build<'_>, model: &Model) -> bool {
    let read = audit::tables_read(model);
    build.is_placed() || read.iter().chain([&model.name]).any(|table| build.behind.contains(table))
}

/// Names of the checks that cannot be planned for want of a column or table.
async fn unaskable(build: &Build<'_>, model: &Model, checks: &[Check]) -> Result<Vec<String>, RunError> {
    let reads: BTreeSet<String> = node_reads(model, checks.iter());
    let session = build.context.engine.session(Effort::Fast);
    match build.scene(&reads).await?.open(&session, build.night()).await {
        // A view behind it cannot be read: its audits cannot be asked, and say so.
        Err(error) if error.kind() == ErrorKind::User => return Ok(Vec::new()),
        opened => opened?,
    }
    let mut missing = Vec::new();
    for check in checks {
        match views::plan_sql(&session, &model.yml_file, &check.sql(), build.night()).await {
            Err(error) if error.kind() == ErrorKind::User => missing.push(check.name.clone()),
            planned => drop(planned?),
        }
    }
    Ok(missing)
}
