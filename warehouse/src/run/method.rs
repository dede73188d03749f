//! How a node's rows become its table this time, from what is known of its inputs.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use super::build::Build;
use super::error::RunError;
use super::history::{HistoryInputs, OBSERVED};
use super::ml::{LearntInputs, Raw};
use super::publish::committed_recipe;
use super::reads::{BaseTable, ReadFiles};
use super::standing::{self, Standing};
use super::state::Candidate;
use super::views;
use super::windowed::WindowedInputs;
use super::work::Method;
use crate::graph::{Node, WindowedRead};
use crate::identity::word_of;
use crate::project::ml::MlRole;
use crate::project::model::{Materialized, VALID_FROM};
use crate::release::Recipe;
use crate::table::TableSnapshot;

/// What is known of a history before it is built.
struct Before {
    prior: Option<Standing>,
    released: Option<Standing>,
    /// What is said where it is a history, and nobody knows any more of which nights.
    lost: Option<String>,
}

impl Build<'_> {
    /// What the computation of a node has to know beyond its inputs.
    pub(super) async fn method(&self, node: &Node, base: Option<&TableSnapshot>) -> Result<Method, RunError> {
        let model = self.context.project.models.get(&node.name);
        if let Some(role) = model.and_then(|model| model.ml.clone()) {
            return Ok(Method::Learnt(self.learnt(role)));
        }
        match node.materialized {
            Materialized::Nightly => Err(RunError::Defect { what: format!("{} is made by nothing", node.name) }),
            Materialized::View | Materialized::Table => Ok(Method::Whole),
            Materialized::Incremental | Materialized::Merge => self.windowed(node, base).await.map(Method::Windowed),
            Materialized::Scd2 => self.history(node, base).await.map(Method::History),
        }
    }

    fn learnt(&self, role: MlRole) -> LearntInputs {
        let features = match &role {
            MlRole::Training(node) | MlRole::Scores(node) => self.identity(&node.spec.features).map(str::to_owned),
            MlRole::Report(_) | MlRole::Outcomes(_) => None,
        };
        let raw = match &role {
            MlRole::Training(node) => {
                let behind = self.context.graph.ancestors([node.spec.features.as_str()]);
                let of = |table: &String| {
                    let contract = self.contract(table)?.clone();
                    Some(Raw { contract, candidate: self.candidates.get(table)?.clone() })
                };
                behind.iter().filter_map(of).collect()
            }
            _ => Vec::new(),
        };
        LearntInputs { role, features_read: features.unwrap_or_default(), asked: self.asked.clone(), raw }
    }

    pub(super) async fn windowed(&self, node: &Node, base: Option<&TableSnapshot>) -> Result<WindowedInputs, RunError> {
        let missing = || RunError::Defect { what: format!("{} was not planned by windows", node.name) };
        let windowing = self.context.resolved.windows.get(&node.name).ok_or_else(missing)?;
        let model = self.context.project.models.get(&node.name).ok_or_else(missing)?;
        let lookups: BTreeSet<&str> = model.spec.lookups().iter().map(|table| table.as_str()).collect();
        let mut reads = Vec::new();
        for read in &windowing.reads {
            reads.push((read.clone(), self.read_files(&read.table).await?));
        }
        let mut whole = Vec::new();
        for (table, columns) in windowing.whole.iter().filter(|(table, _)| !lookups.contains(table.as_str())) {
            whole.push((WindowedRead::whole(table, columns), self.read_files(table).await?));
        }
        let prior_identity = self.recipe_before(node, base).await?.map(|recipe| recipe.identity());
        Ok(WindowedInputs {
            reads,
            whole,
            code: self.code(node),
            prior: self.standing(node, prior_identity.as_deref()).await?,
            prior_identity,
            unlimited: self.request.unlimited || self.request.full_refresh,
            cut: windowing.cut,
            looks_up: !lookups.is_empty(),
        })
    }

    async fn history(&self, node: &Node, base: Option<&TableSnapshot>) -> Result<HistoryInputs, RunError> {
        let code = self.code(node);
        let Before { prior, released, lost } = self.history_before(node, base).await?;
        // What a run for a later night saw is not of this night's release.
        let standings = prior.iter().chain(&released);
        let known = standings.flat_map(|standing| standing.nights.keys()).filter(|night| **night <= self.night());
        let wanted = known.chain(&self.request.earlier).copied().chain([self.request.night, self.night()]);
        let behind = self.context.graph.ancestors([node.name.as_str()]);
        let observed: BTreeMap<NaiveDate, String> =
            wanted.map(|night| (night, self.delivered(&behind, night))).collect();
        // Rows of other code, or of nobody knows what, are not built upon.
        let is_of_later = |prior: &Standing| prior.nights.keys().any(|night| *night > self.night());
        let prior = prior.filter(|prior| prior.code == code && !self.request.full_refresh && !is_of_later(prior));
        let before = prior.map(|prior| prior.nights).unwrap_or_default();
        let mut nights = Vec::new();
        for (night, identity) in &observed {
            if before.get(night) != Some(identity) {
                nights.push((*night, self.scene_at(&node.inputs, *night).await?));
            }
        }
        Ok(HistoryInputs { nights, observed, seen: before.into_keys().collect(), code, lost })
    }

    async fn history_before(&self, node: &Node, base: Option<&TableSnapshot>) -> Result<Before, RunError> {
        let before = self.recipe_before(node, base).await?;
        let identity = before.as_ref().map(Recipe::identity);
        let prior = self.standing(node, identity.as_deref()).await?;
        // What died behind its commit may have been a rollback: the released history knows more nights than the table.
        let released = self.previous().and_then(|release| release.tables.get(&node.name));
        let released =
            released.map(|table| table.recipe.identity()).filter(|released| identity.as_ref() != Some(released));
        let released = self.standing(node, released.as_deref()).await?;
        let was_history = before.is_some_and(|before| before.inputs.contains_key(OBSERVED));
        let is_lost = was_history && prior.is_none() && released.is_none();
        let lost =
            base.zip(identity.as_deref()).filter(|_| is_lost).and_then(|(base, identity)| self.lost(base, identity));
        Ok(Before { prior, released, lost })
    }

    /// What a run says of a history whose nights are not known any more, instead of building it.
    pub(super) async fn lost_history(
        &self,
        node: &Node,
        base: Option<&TableSnapshot>,
    ) -> Result<Option<String>, RunError> {
        match node.materialized {
            Materialized::Scd2 => Ok(self.history_before(node, base).await?.lost),
            _ => Ok(None),
        }
    }

    /// What is said of a history whose nights are not known any more: from tonight alone, all states before would be
    /// gone. A backfill names the nights, and each is looked at once more out of bronze.
    fn lost(&self, base: &TableSnapshot, identity: &str) -> Option<String> {
        let first = base.files.iter().filter_map(|file| file.first_day(VALID_FROM).flatten()).min();
        let first = first.filter(|first| self.request.earlier.is_empty() && *first < self.night())?;
        Some(format!(
            "which nights the history is of is not known any more, {} is missing or damaged — put that file back from a copy, or have its nights looked at once more out of bronze: `buho backfill --from {first} --to {}`",
            standing::file(&base.table, identity),
            self.night()
        ))
    }

    /// What identifies all that was delivered up to a night of the bronze tables among `tables`, and what of it that
    /// night is shown.
    fn delivered(&self, tables: &BTreeSet<String>, night: NaiveDate) -> String {
        let ledgers = self.ledgers.iter().filter(|(table, _)| tables.contains(*table));
        let up_to = ledgers.map(|(table, ledger)| format!("{table} {}\n", ledger.identity_up_to(night)));
        word_of(up_to.chain(tables.iter().filter_map(|table| self.cut_of(table))))
    }

    /// By which column a night is not shown rows of a table that belong to a later one.
    fn cut_of(&self, table: &str) -> Option<String> {
        self.contract(table).and_then(views::cut_word)
    }

    /// Fingerprint of a node and of all views behind it, down to the next stored tables, and of how bronze is cut there:
    /// what was noted of files that were cut otherwise says nothing of those that are read now.
    pub(super) fn code(&self, node: &Node) -> String {
        let own = self.view_text(&node.name).map_or(&node.inputs, |(_, inputs)| inputs);
        let mut waiting: Vec<&String> = own.iter().collect();
        let (mut views, mut cuts) = (BTreeMap::new(), BTreeSet::new());
        while let Some(input) = waiting.pop() {
            cuts.extend(self.cut_of(input));
            if let Some((_, inputs)) = self.view_text(input)
                && views.insert(input.as_str(), self.own_code(input)).is_none()
            {
                waiting.extend(inputs);
            }
        }
        let views = views.into_iter().map(|(view, code)| format!("\n{view} {code}"));
        word_of(std::iter::once(self.own_code(&node.name)).chain(views).chain(cuts))
    }

    /// Fingerprint of a node alone; of a view that is read as it was released its text.
    fn own_code(&self, name: &str) -> String {
        match (self.texts.get(name), self.context.graph.node(name)) {
            (Some(text), _) => text.sql.clone(),
            (None, Some(node)) => node.fingerprint.to_string(),
            (None, None) => String::new(),
        }
    }

    /// What the rows that a table has now were made from: the released ones, or those of a later commit.
    async fn recipe_before(&self, node: &Node, base: Option<&TableSnapshot>) -> Result<Option<Recipe>, RunError> {
        let released = self.previous().and_then(|release| release.tables.get(&node.name));
        match (base, released) {
            (None, _) => Ok(None),
            (Some(base), Some(table)) if table.version == base.version => Ok(Some(table.recipe.clone())),
            (Some(base), _) => committed_recipe(base).await,
        }
    }

    /// What the rows before stand on, where they may be built upon.
    async fn standing(&self, node: &Node, identity: Option<&str>) -> Result<Option<Standing>, RunError> {
        match identity {
            Some(identity) if !self.starts_anew(node) => Standing::load(&self.context.lake, &node.name, identity).await,
            _ => Ok(None),
        }
    }

    /// A full refresh forgets the rows before, but not which nights a history has seen.
    fn starts_anew(&self, node: &Node) -> bool {
        self.request.full_refresh && node.materialized != Materialized::Scd2
    }

    /// The stored table behind a table or view of which each row makes at most one row.
    fn row_wise(&self, table: &str) -> Option<String> {
        let mut table = table.to_owned();
        while let Some(node) = self.context.graph.node(&table).filter(|node| node.materialized == Materialized::View) {
            // The plan is that of the project's SQL.
            if self.texts.contains_key(&node.name) {
                return None;
            }
            table = only_scan(self.context.resolved.plans.get(&node.name)?)?;
        }
        Some(table)
    }

    /// Whether a view on the way from a table or view to what is stored asks for the night.
    fn asks_for_night(&self, table: &str) -> bool {
        let view = self.context.graph.node(table).filter(|node| node.materialized == Materialized::View);
        view.is_some_and(|view| {
            !view.parsed.parameters.is_empty() || view.inputs.iter().any(|input| self.asks_for_night(input))
        })
    }

    /// Where the rows of a table or view come from.
    async fn read_files(&self, table: &str) -> Result<ReadFiles, RunError> {
        let scene = self.scene(&BTreeSet::from([table.to_owned()])).await?;
        let base = self.stored_behind(table).await?;
        Ok(ReadFiles { scene, base })
    }

    /// The stored table of which each row makes at most one row of a table or view.
    pub(super) async fn stored_behind(&self, table: &str) -> Result<Option<BaseTable>, RunError> {
        let by_night = self.asks_for_night(table);
        let base = match self.row_wise(table) {
            Some(table) => self.base_table(table).await?,
            None => None,
        };
        Ok(base.map(|base| BaseTable { by_night, ..base }))
    }

    async fn base_table(&self, table: String) -> Result<Option<BaseTable>, RunError> {
        let contract = self.contract(&table).cloned();
        let candidate = match (self.candidates.get(&table), self.kept.get(&table)) {
            (Some(candidate), _) => Some(candidate.clone()),
            (None, Some(version)) => TableSnapshot::load(&self.context.lake, &table, Some(*version))
                .await?
                .map(|found| Candidate::Unchanged { schema: found.schema.clone(), snapshot: Some(found) }),
            (None, None) => None,
        };
        Ok(candidate.map(|candidate| BaseTable { table, candidate, contract, by_night: false }))
    }
}

/// The table of a plan that only filters and computes row by row.
pub(super) fn only_scan(plan: &LogicalPlan) -> Option<String> {
    let mut scans = Vec::new();
    let mut row_wise = true;
    let walked = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => scans.push(scan.table_name.clone()),
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {}
            _ => row_wise = false,
        }
        Ok(TreeNodeRecursion::Continue)
    });
    match (walked, scans.as_slice()) {
        (Ok(_), [scan]) if row_wise => Some(format!("{}.{}", scan.schema()?, scan.table())),
        _ => None,
    }
}
