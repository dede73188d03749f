//! The audit phase: what was staged is judged before anything is committed.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::RwLock;

use super::build::{Build, Staged};
use super::context::RunContext;
use super::decide::blocked;
use super::error::{RunError, is_out_of_memory};
use super::held::Hold;
use super::pairs::{self, Compared, Parted};
use super::passed_over::pass_over;
use super::proofs::Grounds;
use super::reads::BaseTable;
use super::report::AuditReport;
use super::scene::Scene;
use super::state::NodeState;
use super::unasked::{Asking, asking, tell_unasked};
use crate::audit::{self, Asked, AuditError, AuditOutcome, Check, Reads};
use crate::error::ErrorKind;
use crate::identity::word_of;
use crate::plain::counted;
use crate::planted::{Bug, planted};
use crate::project::model::{Materialized, Model, Severity, WhenHeld};
use crate::session::Effort;
use crate::table::DataFile;

/// A build of which every staged table was judged, and those that failed are held with all below
/// them; made of a [`Staged`] by [`audit`] alone.
#[derive(Debug)]
pub(super) struct Audited<'a> {
    build: Build<'a>,
    reports: Vec<AuditReport>,
}

impl<'a> Audited<'a> {
    pub fn build(&self) -> &Build<'a> {
        &self.build
    }

    /// A table that was staged and does not go out, and why.
    pub fn first_failure(&self) -> Option<(String, String)> {
        self.build.states.iter().find_map(|(node, state)| match state {
            NodeState::Failed { message, .. } => Some((node.clone(), message.clone())),
            _ => None,
        })
    }

    pub fn reports(&self) -> &[AuditReport] {
        &self.reports
    }
}

/// Judges what was staged.
///
/// # Errors
/// Where the lake cannot be read; an audit that cannot be asked has failed.
pub(super) async fn audit<'a>(context: &RunContext, staged: Staged<'a>) -> Result<Audited<'a>, RunError> {
    let mut build = staged.into_build();
    // On the heap, as what a node's computation plans.
    Box::pin(pass_over(&mut build)).await?;
    let (reports, late) = audit_all(context, &build, build.night()).await?;
    tell_unasked(&mut build);
    let failed = |report: &&AuditReport| !report.passed && report.severity == "error" && !planted(Bug::AuditsIgnored);
    let (late, own): (Vec<_>, Vec<_>) = reports.iter().filter(failed).partition(|report| late.contains(&report.node));
    own.into_iter().for_each(|report| fail(&mut build, report));
    hold_all(context, &mut build);
    for report in late {
        if is_beside_held(context, &build, report) {
            build.doubt(&report.node, &report.audit);
        } else {
            fail(&mut build, report);
        }
    }
    hold_all(context, &mut build);
    Ok(Audited { build, reports })
}

/// A node that an audit failed stays at its last release.
fn fail(build: &mut Build<'_>, audit: &AuditReport) {
    let found = match (&audit.examples, audit.failing_rows) {
        (Some(why), 0) => format!("could not be asked: {why}"),
        (Some(examples), rows) => format!("failed on {}, e.g. {examples}", counted(rows, "row")),
        (None, rows) => format!("failed on {}", counted(rows, "row")),
    };
    build.fail(&audit.node, &format!("audit {} {found} — see ops.audits", audit.audit));
}

/// Whether an audit of a table that stays compared it with tables of which none goes out: as readers see them, both were
/// released beside each other.
fn is_beside_held(context: &RunContext, build: &Build<'_>, report: &AuditReport) -> bool {
    let checks = context.project.models.get(&report.node).map(audit::checks).unwrap_or_default();
    let compared = checks.into_iter().find(|check| check.name == report.audit).map(|check| check.compares_with());
    compared.is_some_and(|tables| !tables.is_empty() && tables.iter().all(|table| is_held(build, table)))
}

/// What reads a table that stays stays with it, and so does what is compared with it.
fn hold_all(context: &RunContext, build: &mut Build<'_>) {
    loop {
        for node in &context.graph.nodes {
            if let Some(hold) = blocked(node, &build.states) {
                build.hold_built(&node.name, hold);
            }
        }
        if !hold_pairs(context, build) {
            return;
        }
    }
}

/// Where an audit compares a fresh table with one that is held, the fresh one is held too, or the run says so. Whether a
/// table came to be held.
fn hold_pairs(context: &RunContext, build: &mut Build<'_>) -> bool {
    let mut held = false;
    for Parted { fresh, because, when_held } in pairs::parted(context, build) {
        // One that another audit holds does not go out.
        if !build.is_built(&fresh) {
            continue;
        }
        match when_held {
            WhenHeld::Hold => {
                build.hold_built(&fresh, Hold::Own { because });
                held = true;
            }
            WhenHeld::Warn => build.warn(format!("{fresh}: {because}; it goes out uncompared")),
        }
    }
    held
}

impl Compared for Build<'_> {
    fn is_built(&self, table: &str) -> bool {
        self.states.get(table).is_some_and(NodeState::goes_out)
    }

    fn is_held(&self, table: &str) -> bool {
        is_held(self, table)
    }

    fn is_there(&self, table: &str) -> bool {
        Build::is_there(self, table)
    }
}

/// Whether a table stays behind though it was to go on.
fn is_held(build: &Build<'_>, table: &str) -> bool {
    let stays = match build.states.get(table) {
        Some(NodeState::Failed { .. }) => true,
        Some(NodeState::Held(hold)) => !hold.is_by_selection(),
        _ => false,
    };
    stays && build.context.graph.node(table).is_some()
}

/// Audits every node that is to be asked something; besides what they say, the nodes that stay as they are.
async fn audit_all(
    context: &RunContext,
    build: &Build<'_>,
    night: NaiveDate,
) -> Result<(Vec<AuditReport>, BTreeSet<String>), RunError> {
    let models = context.graph.nodes.iter().filter_map(|node| context.project.models.get(&node.name));
    let audited: Vec<(&Model, Asking)> =
        models.filter_map(|model| asking(build, model).map(|asking| (model, asking))).collect();
    let late = audited.iter().filter(|(_, asking)| asking.is_late).map(|(model, _)| model.name.clone()).collect();
    let gate = RwLock::new(());
    let asked = Asked::default();
    // In no order, so that nobody waits for a long audit; told in the order of the graph.
    let mut outcomes: Vec<(usize, Vec<AuditReport>)> = stream::iter(audited.into_iter().enumerate())
        .map(async |(place, (model, asking))| {
            let reports = audit_node(context, build, (model, &asking), night, (&gate, &asked)).await?;
            Ok::<_, RunError>((place, reports))
        })
        .buffer_unordered(context.engine.threads())
        .try_collect()
        .await?;
    outcomes.sort_by_key(|(place, _)| *place);
    Ok((outcomes.into_iter().flat_map(|(_, reports)| reports).collect(), late))
}

/// What the audits of a node ask, of which rows; `None` where the node stands for no rows.
pub(super) fn audited_as(build: &Build<'_>, model: &Model) -> Option<String> {
    let mut asked = audit::fingerprint(model).to_hex().to_string();
    asked.push_str(build.identity(&model.name)?);
    for read in audit::tables_read(model) {
        asked.push_str(build.identity(&read).unwrap_or_default());
    }
    Some(word_of([asked]))
}

/// Whether the last release has a view of which the same was asked, of the same rows. Tables are built
/// only where something changed; a view stands in every release.
pub(super) fn passed_before(build: &Build<'_>, model: &Model) -> bool {
    let before = build.previous().and_then(|release| release.views.get(&model.name));
    before.is_some_and(|view| audited_as(build, model).is_some_and(|asked| asked == view.audited))
}

/// Asks beside others; then, where memory ran out, alone and with joins that spill.
async fn audit_node(
    context: &RunContext,
    build: &Build<'_>,
    (model, asking): (&Model, &Asking),
    night: NaiveDate,
    (gate, asked): (&RwLock<()>, &Asked),
) -> Result<Vec<AuditReport>, RunError> {
    let started = context.clock.now();
    let first = {
        let _company = gate.read().await;
        ask(context, build, (model, asking), (night, Effort::Fast), asked).await?
    };
    let answer = match first {
        Err(error) if is_out_of_memory(&error.source) => {
            tracing::warn!(node = %model.name, audit = %error.audit, "ran out of memory beside others; asking alone");
            let _alone = gate.write().await;
            ask(context, build, (model, asking), (night, Effort::Spilling), asked).await?
        }
        answer => answer,
    };
    tracing::debug!(node = %model.name, seconds = (context.clock.now() - started).as_seconds_f64(), "audited");
    match answer {
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

async fn ask(
    context: &RunContext,
    build: &Build<'_>,
    (model, asking): (&Model, &Asking),
    (night, effort): (NaiveDate, Effort),
    asked: &Asked,
) -> Result<Result<Vec<AuditOutcome>, AuditError>, RunError> {
    let checks = audit::checks_at(model, night).into_iter().zip(audit::checks(model));
    let checks: Vec<(Check, Check)> = checks.filter(|(check, _)| asking.checks.contains(&check.name)).collect();
    let scene = build.scene(&node_reads(model, checks.iter().map(|(_, written)| written))).await?;
    let grounds = if asking.is_late { None } else { Grounds::find(build, model).await? };
    let (follow, rest): (Vec<_>, Vec<_>) = checks.into_iter().partition(|(check, _)| follows(build, model, check));
    let question = Question { context, night, effort, scene, asked, checks: rest };
    let answer = match grounds.as_ref().filter(|grounds| grounds.is_small_change()) {
        Some(grounds) => question.of_new_files(grounds).await,
        None => question.of_all().await,
    };
    let answer = match answer {
        // What one node is asked cannot be opened: that is no reason for the others to stay.
        Err(error) if error.kind() == ErrorKind::User => Err(unopened(model, &asking.checks, &error)),
        answer => answer?,
    };
    let answer = answer.map(|found| {
        let mut found: Vec<AuditOutcome> = follow.iter().map(|(check, _)| audit::passed(check)).chain(found).collect();
        let order = audit::checks(model);
        found.sort_by_key(|outcome| order.iter().position(|check| check.name == outcome.audit));
        found
    });
    if let (Some(grounds), Ok(outcomes)) = (&grounds, &answer) {
        grounds.store(build, model, outcomes).await?;
    }
    Ok(answer)
}

/// All that the audits of a node read.
pub(super) fn node_reads<'c>(model: &Model, checks: impl Iterator<Item = &'c Check>) -> BTreeSet<String> {
    checks.flat_map(Check::compares_with).chain([model.name.clone()]).collect()
}

/// That none of the audits of a node can be asked, by the name of the first.
fn unopened(model: &Model, checks: &BTreeSet<String>, error: &RunError) -> AuditError {
    let audit = checks.first().cloned().unwrap_or_default();
    AuditError { node: model.name.clone(), audit, source: DataFusionError::Plan(error.to_string()) }
}

/// Whether a check of a view holds by the view's own SELECT, given what its inputs' audits ask of them: where they
/// fail, the view is held with them.
fn follows(build: &Build<'_>, model: &Model, check: &Check) -> bool {
    let plan = build.context.resolved.plans.get(&model.name);
    let is_view = model.spec.materialized == Materialized::View && !build.texts.contains_key(&model.name);
    let Some(plan) = plan.filter(|_| is_view) else {
        return false;
    };
    let promised = |table: &str| {
        // What stayed as it was may have been released before it was asked this.
        let is_asked = build.is_built(table);
        let input = build.context.project.models.get(table).filter(|_| is_asked);
        input.map(audit::checks).unwrap_or_default().into_iter().filter(|check| check.severity == Severity::Error)
    };
    let never_null = |table: &str, column: &str| {
        let is_it = |names: &[String]| names.iter().any(|name| name == column);
        promised(table).any(|check| matches!(&check.reads, Reads::Rows { nulls_of, .. } if is_it(nulls_of)))
    };
    let differ = |table: &str, columns: &BTreeSet<&str>| {
        let has = |names: &[String]| names.iter().all(|name| columns.contains(name.as_str()));
        promised(table).any(|check| matches!(&check.reads, Reads::Keys { columns } if has(columns)))
    };
    check.follows(plan, &audit::Inputs { never_null: &never_null, differ: &differ })
}

/// The audits of one node, and what they see.
pub(super) struct Question<'a> {
    context: &'a RunContext,
    night: NaiveDate,
    effort: Effort,
    scene: Scene,
    asked: &'a Asked,
    /// What is asked, at the night and as it is written.
    checks: Vec<(Check, Check)>,
}

type Answer = Result<Vec<AuditOutcome>, AuditError>;

impl Question<'_> {
    async fn session(&self, scene: &Scene) -> Result<SessionContext, RunError> {
        let session = self.context.engine.session(self.effort);
        scene.open(&session, self.night).await?;
        Ok(session)
    }

    /// As if these were all files of a table.
    pub async fn session_of(&self, base: &BaseTable, files: &[DataFile]) -> Result<SessionContext, RunError> {
        let mut scene = self.scene.clone();
        scene.tables.insert(base.table.clone(), base.provider(&self.context.lake, files, self.night)?);
        self.session(&scene).await
    }

    async fn of_all(&self) -> Result<Answer, RunError> {
        if self.checks.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let session = self.session(&self.scene).await?;
        let checks: Vec<Check> = self.checks.iter().map(|(check, _)| check.clone()).collect();
        Ok(audit::run(&session, &checks, self.asked).await)
    }

    /// What the other files passed is asked of the new ones; the rest, and what is in doubt, of all.
    async fn of_new_files(&self, grounds: &Grounds) -> Result<Answer, RunError> {
        let all = self.session(&self.scene).await?;
        let (fresh, known) = grounds.sessions(self).await?;
        let scoped = self.asked.of(grounds.scope());
        let (mut apart, mut whole) = (Vec::new(), Vec::new());
        for (check, written) in &self.checks {
            let list = if grounds.splits(self, &all, check, written).await? { &mut apart } else { &mut whole };
            list.push(check.clone());
        }
        let found: Answer = async {
            let mut found = Vec::new();
            let new = match grounds.brings_nothing() {
                true => apart.iter().map(audit::passed).collect(),
                false => audit::run(&fresh, &apart, &scoped.of(format!("new {}", grounds.scope()))).await?,
            };
            for (check, outcome) in apart.into_iter().zip(new) {
                if outcome.passed
                    && (grounds.brings_nothing() || audit::differ(&fresh, &known, &check, &scoped).await?)
                {
                    found.push(outcome);
                } else {
                    whole.push(check);
                }
            }
            found.extend(audit::run(&all, &whole, self.asked).await?);
            Ok(found)
        }
        .await;
        Ok(found)
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
