//! `buho doctor`: reads everything the night will need and says what is wrong, each with the way out.

mod findings;
mod machine;
mod night;
mod sources;
mod storage;
mod tables;

use std::time::Duration;

use chrono::NaiveDate;
use warehouse::plain::counted;
use warehouse::project::Project;
use warehouse::run::RunContext;
use warehouse::store::process_environment;

use crate::cli::DoctorArgs;
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use findings::Findings;

/// A storage that has not answered by then is told as one that does not answer.
const PATIENCE: Duration = Duration::from_secs(40);

pub fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, CommandError> {
    let project = match context.load_project() {
        Ok(project) => project,
        Err(CommandError::Project(errors)) => {
            let mut findings = Findings::default();
            for problem in &errors.problems {
                findings.problem(problem.kind(), "project", problem);
            }
            return tell(context, &findings);
        }
        Err(other) => return Err(other),
    };
    let settings = project.settings.clone();
    let findings = context.block_on(&settings, async { Ok(examine(context, project, args.night).await) })?;
    tell(context, &findings)
}

fn tell(context: &Context, findings: &Findings) -> Result<Exit, CommandError> {
    findings.worst().map_or(Exit::Done, Exit::Failed).said(context.print(&findings.to_string()))
}

async fn examine(context: &Context, project: Project, night: Option<NaiveDate>) -> Findings {
    let mut findings = Findings::default();
    settings(&mut findings, &project);
    machine::examine(&mut findings, &project.settings);
    let lake = storage::lake(&mut findings, context, &project).await;
    if let Some(lake) = &lake {
        tables::examine(&mut findings, lake, &project).await;
    }
    if let Some((store, root)) = storage::raw(&mut findings, &project).await {
        let habit = match &lake {
            Some(lake) => night::Habit::of(lake, context.clock.now()).await,
            None => night::Habit::default(),
        };
        let wanted = night::Wanted { asked: night, habit };
        let place = sources::Place { store, root: &root };
        sources::examine(&mut findings, context, &project, place, &wanted).await;
    }
    if lake.is_some() {
        graph(&mut findings, context, project).await;
    }
    findings
}

fn settings(findings: &mut Findings, project: &Project) {
    let settings = &project.settings;
    let root = std::path::absolute(&project.root).unwrap_or_else(|_| project.root.clone());
    findings.fine("project", format!("{} in {}", settings.name, root.display()));
    let shown = [
        ("raw", settings.raw.to_string()),
        ("lake", settings.lake.to_string()),
        ("time_zone", settings.time_zone.to_string()),
        ("currency", settings.currency.clone()),
        ("packs", settings.packs.join(", ")),
        ("memory", machine::shown(settings.memory)),
        ("threads", settings.threads.to_string()),
    ];
    for (key, value) in shown {
        findings.fine(key, format!("{value} ({})", settings.origin(key)));
    }
}

/// Plans every model, as a night does before anything runs.
async fn graph(findings: &mut Findings, context: &Context, project: Project) {
    let (models, contracts) = (counted(project.models.len(), "model"), counted(project.contracts.len(), "source"));
    match RunContext::open(project, &process_environment, context.clock.clone()).await {
        Ok(_) => findings.fine("sql", format!("{models} over {contracts} can be planned")),
        Err(error) => findings.problem(error.kind(), "sql", &error),
    }
}
