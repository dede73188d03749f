//! `buho sql`: one query of one release.

use std::io::Read;

use datafusion::common::Result as DataFusionResult;
use datafusion::prelude::DataFrame;
use warehouse::error::ErrorKind;
use warehouse::project::Project;
use warehouse::release::{self, ReleaseId};
use warehouse::run::{Reader, RunError, open_lake};
use warehouse::session::Engine;
use warehouse::table::Lake;

use crate::cli::SqlArgs;
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::output::{Destination, write_stream};

pub fn run(context: &Context, args: &SqlArgs) -> Result<Exit, CommandError> {
    let query = text(args)?;
    let project = context.load_to_look()?;
    let settings = project.settings.clone();
    context.block_on(&settings, async {
        let (lake, engine) = open(context, &project)?;
        let release = match &args.release {
            Some(text) => Some(release_id(&lake, text).await?),
            None => None,
        };
        let reader = Reader::open(&project, &lake, &engine, release, context.clock.as_ref()).await?;
        let rows = reader.query(&query).await?;
        print(rows, args).await
    })?;
    Ok(Exit::Done)
}

/// Opens the lake of a project and an engine to read it.
pub fn open(context: &Context, project: &Project) -> Result<(Lake, Engine), CommandError> {
    let env = |name: &str| context.env(name);
    let lake = open_lake(project, &env)?;
    let engine =
        Engine::new(&lake, project.settings.memory, project.settings.threads).map_err(|error| failed(&error))?;
    Ok((lake, engine))
}

fn text(args: &SqlArgs) -> Result<String, CommandError> {
    if let Some(path) = &args.file {
        return std::fs::read_to_string(path).map_err(|source| CommandError::file("read", path, source));
    }
    match args.query.as_deref() {
        Some("-") | None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|source| CommandError::File {
                action: "read",
                path: "standard input".to_owned(),
                source,
            })?;
            Ok(text)
        }
        Some(text) => Ok(text.to_owned()),
    }
}

/// A release by its id, or the latest of a night.
pub async fn release_id(lake: &Lake, text: &str) -> Result<ReleaseId, CommandError> {
    if let Ok(night) = text.parse() {
        let ids = release::list(lake).await.map_err(RunError::from)?;
        return ids.into_iter().rfind(|id| id.night == night).ok_or_else(|| {
            CommandError::user(format!("no release of night {night} — `buho releases list` shows those there are"))
        });
    }
    Ok(text.parse().map_err(RunError::from)?)
}

async fn print(rows: DataFrame, args: &SqlArgs) -> Result<u64, CommandError> {
    let schema = std::sync::Arc::clone(rows.schema().inner());
    let stream: DataFusionResult<_> = rows.execute_stream().await;
    let stream = stream.map_err(|error| failed(&error))?;
    write_stream(stream, schema, args.format, Destination::new(args.output.as_deref()), |error| failed(&error)).await
}

/// A query that failed while it ran.
fn failed(error: &datafusion::error::DataFusionError) -> CommandError {
    let error = RunError::while_running("query", error);
    CommandError::Told { kind: error.kind(), message: error.to_string() }
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        let kind: ErrorKind = error.kind();
        Self::of(kind, &error)
    }
}
