//! The audit phase: what was staged is judged before anything is committed.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};

use super::build::Build;
use super::context::RunContext;
use super::error::RunError;
use super::report::AuditReport;
use super::state::NodeState;
use crate::audit;
use crate::project::model::Severity;
use crate::session::Joins;

/// Audits every node that was built.
pub(super) async fn audit_all(
    context: &RunContext,
    build: &Build<'_>,
    night: NaiveDate,
) -> Result<Vec<AuditReport>, RunError> {
    let built: Vec<&str> = context
        .graph
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .filter(|name| matches!(build.states.get(*name), Some(NodeState::Built { .. })))
        .collect();
    let outcomes: Vec<Vec<AuditReport>> = stream::iter(built)
        .map(|name| audit_node(context, build, name, night))
        .buffered(context.engine.threads())
        .try_collect()
        .await?;
    Ok(outcomes.into_iter().flatten().collect())
}

async fn audit_node(
    context: &RunContext,
    build: &Build<'_>,
    name: &str,
    night: NaiveDate,
) -> Result<Vec<AuditReport>, RunError> {
    let Some(model) = context.project.models.get(name) else {
        return Ok(Vec::new());
    };
    let checks = audit::checks(model);
    let mut reads: BTreeSet<String> = checks.iter().flat_map(|check| check.reads.iter().cloned()).collect();
    reads.insert(name.to_owned());
    let session = context.engine.session(Joins::Hash);
    build.scene(&reads)?.open(&session, night).await?;
    let outcomes = audit::run(&session, &checks, night).await;
    Ok(outcomes.into_iter().map(|outcome| report(name, outcome)).collect())
}

fn report(node: &str, outcome: audit::AuditOutcome) -> AuditReport {
    let severity = match outcome.severity {
        Severity::Warn => "warn",
        Severity::Error => "error",
    };
    if !outcome.passed {
        let examples = outcome.examples.as_deref().unwrap_or("");
        match outcome.severity {
            Severity::Error => tracing::error!(node, audit = %outcome.audit, rows = outcome.failing_rows, "audit failed: {examples}"),
            Severity::Warn => tracing::warn!(node, audit = %outcome.audit, rows = outcome.failing_rows, "audit failed: {examples}"),
        }
    }
    AuditReport {
        node: node.to_owned(),
        audit: outcome.audit,
        severity: severity.to_owned(),
        passed: outcome.passed,
        failing_rows: outcome.failing_rows,
        examples: outcome.examples,
    }
}
