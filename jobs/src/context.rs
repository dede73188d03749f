//! Arguments, environment and machine, resolved once: what every command works with.

use std::future::Future;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use warehouse::clock::{Clock, SystemClock};
use warehouse::project::{Overrides, PROJECT_FILE, Project, Settings};
use warehouse::run::Stop;
use warehouse::store::process_environment;

use crate::cli::Global;
use crate::exit::{CommandError, Signal};
use crate::logging;
use crate::standard;

/// How long tasks that are being stopped may take to let go of their files.
const PARTING: Duration = Duration::from_secs(5);

/// What a command works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The project's folder, as given or found.
    pub project_dir: PathBuf,
    pub overrides: Overrides,
    pub clock: Arc<dyn Clock>,
    /// How variables of the environment are read.
    pub environment: fn(&str) -> Option<String>,
    /// Whether raw and lake are those of the project alone, whatever the environment says of another.
    pub is_apart: bool,
}

/// Variables that name places of a project.
const PLACES: [&str; 2] = ["BUHO_RAW", "BUHO_LAKE"];

impl Context {
    pub fn new(global: &Global) -> Self {
        let flags = &global.settings;
        let overrides = Overrides {
            raw: flags.raw.clone(),
            lake: flags.lake.clone(),
            memory: flags.memory.clone(),
            threads: flags.threads,
            ..Overrides::default()
        };
        let project_dir = global.project.clone().unwrap_or_else(|| nearest_project(Path::new(".")));
        Self { project_dir, overrides, clock: Arc::new(SystemClock), environment: process_environment, is_apart: false }
    }

    /// The same context for another project's folder, which keeps its own raw and lake, as `demo` needs.
    pub fn apart_at(&self, project_dir: &Path) -> Self {
        Self { project_dir: project_dir.to_owned(), is_apart: true, ..self.clone() }
    }

    /// A variable of the environment.
    pub fn env(&self, name: &str) -> Option<String> {
        let is_of_another = self.is_apart && PLACES.contains(&name);
        (self.environment)(name).filter(|_| !is_of_another)
    }

    /// Reads the project over the standard files.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn load_project(&self) -> Result<Project, CommandError> {
        let env = |name: &str| self.env(name);
        Ok(Project::load(&self.project_dir, &self.overrides, &env, &standard::files())?)
    }

    /// As [`Self::load_project`], for what runs nothing and only looks into the lake: files with faults are left out,
    /// with a warning.
    ///
    /// # Errors
    /// Everything wrong with the project, where its settings cannot be read.
    pub fn load_to_look(&self) -> Result<Project, CommandError> {
        let env = |name: &str| self.env(name);
        let project = Project::load_to_look(&self.project_dir, &self.overrides, &env, &standard::files())?;
        if let Some(left_out) = project.told_of_left_out() {
            tracing::warn!("no night can run until this is mended: {left_out}");
        }
        Ok(project)
    }

    /// Runs a future on as many threads as the settings give, until it ends or a signal comes.
    ///
    /// # Errors
    /// The future's, or that a signal stopped it.
    pub fn block_on<T>(
        &self,
        settings: &Settings,
        future: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        on_runtime(settings, async {
            tokio::select! {
                result = future => result,
                signal = signalled() => Err(CommandError::Stopped(signal)),
            }
        })
    }

    /// As [`Self::block_on`], for work that can be asked to stop: it ends by itself within a moment, and
    /// gives back what it holds.
    ///
    /// # Errors
    /// The future's, or that a signal stopped it.
    pub fn block_on_stoppable<T>(
        &self,
        settings: &Settings,
        work: impl AsyncFnOnce(Stop) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let (ask, stop) = Stop::channel();
        on_runtime(settings, async {
            let mut work = pin!(work(stop));
            let signal = tokio::select! {
                result = &mut work => return result,
                signal = signalled() => signal,
            };
            ask.send_replace(true);
            // Whatever it says now, or if it says nothing: a signal ended it.
            let _ended = tokio::time::timeout(PARTING, work).await;
            Err(CommandError::Stopped(signal))
        })
    }

    /// Writes text to standard output.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn print(&self, text: &str) -> Result<(), CommandError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandError::output)
    }

    /// Writes a line to standard output.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn say(&self, line: impl std::fmt::Display) -> Result<(), CommandError> {
        self.print(&format!("{line}\n"))
    }

    /// Whether somebody can be asked.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks on the terminal; anything but yes is no.
    ///
    /// # Errors
    /// The terminal cannot be read or written.
    pub fn ask(&self, question: &str) -> Result<bool, CommandError> {
        let asked = |source| CommandError::file("ask on", Path::new("the terminal"), source);
        let mut terminal = io::stderr();
        write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush()).map_err(asked)?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(asked)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

fn on_runtime<T>(
    settings: &Settings,
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(settings.threads).enable_all().build().map_err(
            |source| CommandError::File { action: "start", path: "the threads of the run".to_owned(), source },
        )?;
    let result = runtime.block_on(future);
    if result.is_err() {
        logging::parting();
    }
    runtime.shutdown_timeout(PARTING);
    result
}

/// The nearest folder from here upwards that is a project; here if none is.
fn nearest_project(start: &Path) -> PathBuf {
    let absolute = std::path::absolute(start).unwrap_or_else(|_| start.to_owned());
    match absolute.ancestors().find(|folder| folder.join(PROJECT_FILE).is_file()) {
        Some(found) if found != absolute => found.to_owned(),
        _ => start.to_owned(),
    }
}

/// Waits for SIGINT or SIGTERM; for ever where the system has no such thing.
async fn signalled() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_works_from_a_folder_inside_the_project() {
        let home = tempfile::tempdir().unwrap();
        let inside = home.path().join("sql/sources");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::write(home.path().join(PROJECT_FILE), "").unwrap();
        assert_eq!(nearest_project(&inside), home.path());
    }

    #[test]
    fn without_a_project_above_it_stays_where_it_is() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(nearest_project(home.path()), home.path());
    }
}
