//! The audit phase: what was staged is judged before anything is committed.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};

use super::build::Build;
use super::context::RunContext;
use super::error::RunError;
use super::report::AuditReport;
use super::state::NodeState;
use crate::audit::{self, AuditOutcome};
use crate::project::model::{Model, Severity};
use crate::session::Joins;

/// Audits every node that was built.
pub(super) async fn audit_all(
    context: &RunContext,
    build: &Build<'_>,
    night: NaiveDate,
) -> Result<Vec<AuditReport>, RunError> {
    let built: Vec<&Model> = context
        .graph
        .nodes
        .iter()
        .filter(|node| matches!(build.states.get(&node.name), Some(NodeState::Built { .. })))
        .filter_map(|node| context.project.models.get(&node.name))
        .collect();
    let outcomes: Vec<Vec<AuditReport>> = stream::iter(built)
        .map(|model| audit_node(context, build, model, night))
        .buffered(context.engine.threads())
        .try_collect()
        .await?;
    Ok(outcomes.into_iter().flatten().collect())
}

async fn audit_node(
    context: &RunContext,
    build: &Build<'_>,
    model: &Model,
    night: NaiveDate,
) -> Result<Vec<AuditReport>, RunError> {
    let checks = audit::checks_at(model, night);
    let mut reads: BTreeSet<String> = audit::tables_read(model);
    reads.insert(model.name.clone());
    let session = context.engine.session(Joins::Hash);
    build.scene(&reads).await?.open(&session, night).await?;
    match audit::run(&session, &checks).await {
        Ok(outcomes) => Ok(outcomes.into_iter().map(report).collect()),
        // A table whose audit cannot be asked is not published, the others are.
        Err(error) => {
            let failed = RunError::query(&format!("audit {} of {}", error.audit, error.node), error.source);
            tracing::error!(node = %error.node, audit = %error.audit, "{failed}");
            Ok(vec![AuditReport {
                node: error.node,
                audit: error.audit,
                severity: "error".to_owned(),
                passed: false,
                failing_rows: 0,
                examples: Some(failed.to_string()),
            }])
        }
    }
}

fn report(outcome: AuditOutcome) -> AuditReport {
    let severity = match outcome.severity {
        Severity::Warn => "warn",
        Severity::Error => "error",
    };
    if !outcome.passed {
        let AuditOutcome { node, audit, failing_rows, message, .. } = &outcome;
        match outcome.severity {
            Severity::Error => tracing::error!(%node, %audit, rows = failing_rows, "audit failed: {message}"),
            Severity::Warn => tracing::warn!(%node, %audit, rows = failing_rows, "audit failed: {message}"),
        }
    }
    AuditReport {
        node: outcome.node,
        audit: outcome.audit,
        severity: severity.to_owned(),
        passed: outcome.passed,
        failing_rows: outcome.failing_rows,
        examples: Some(outcome.examples).filter(|examples| !examples.is_empty()),
    }
}
