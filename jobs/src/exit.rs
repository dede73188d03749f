//! How a command ends: the exit code, and the error behind it.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use warehouse::error::ErrorKind;
use warehouse::project::ProjectErrors;
use warehouse::store::StoreError;

/// Exit code of `--skip-code` when there was nothing to do.
const NOTHING_TO_DO: u8 = 99;

/// How a command that could say its result ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// There was nothing to do, and the caller asked to be told so by the code.
    NothingToDo,
    /// The command told what failed; the kind decides the code.
    Failed(ErrorKind),
}

impl Exit {
    /// The same, once it was said: that nobody reads it any more makes nothing well that was not.
    ///
    /// # Errors
    /// It could not be said for another reason.
    pub fn said(self, said: Result<(), CommandError>) -> Result<Self, CommandError> {
        match said {
            Ok(()) | Err(CommandError::ReaderGone) => Ok(self),
            Err(error) => Err(error),
        }
    }

    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NothingToDo => NOTHING_TO_DO,
            Self::Failed(kind) => kind.exit_code(),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A signal that ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT, as Ctrl-C sends it",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Why a command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Project(#[from] ProjectErrors),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot {action} {path}: {source}")]
    File { action: &'static str, path: String, source: std::io::Error },
    /// Something a command found wrong; the message says what, where and what to do.
    #[error("{message}")]
    Told { kind: ErrorKind, message: String },
    #[error("stopped by {0}; run the same command again to go on")]
    Stopped(Signal),
    /// Whoever read standard output has gone, as `head` does: not an error of ours.
    #[error("nobody reads the output any more")]
    ReaderGone,
}

impl CommandError {
    /// The user's mistake: what is wrong, and what to do.
    pub fn user(message: impl Into<String>) -> Self {
        Self::Told { kind: ErrorKind::User, message: message.into() }
    }

    /// An error of another module, of a kind it names itself.
    pub fn of(kind: ErrorKind, error: &dyn Error) -> Self {
        Self::Told { kind, message: chain(error) }
    }

    /// A failure to read or write a file.
    pub fn file(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { action, path: path.display().to_string(), source }
    }

    /// A failure to write standard output.
    pub fn output(source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::File { action: "write", path: "standard output".to_owned(), source }
    }

    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match (self, self.kind()) {
            (_, Some(kind)) => kind.exit_code(),
            (Self::Stopped(Signal::Interrupt), None) => 130,
            (Self::Stopped(Signal::Terminate), None) => 143,
            (_, None) => 0,
        }
    }

    /// What it means to the caller; `None` where nothing failed.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Project(errors) => Some(errors.kind()),
            Self::Store(error) => Some(error.kind()),
            Self::File { source, .. } => Some(kind_of(source)),
            Self::Told { kind, .. } => Some(*kind),
            Self::Stopped(_) | Self::ReaderGone => None,
        }
    }

    /// The name of how it ended, as `exit_kind` of the JSON result line says it.
    pub fn kind_name(&self) -> Option<&'static str> {
        match self {
            Self::Stopped(Signal::Interrupt) => Some("interrupted"),
            Self::Stopped(Signal::Terminate) => Some("terminated"),
            _ => self.kind().map(ErrorKind::name),
        }
    }
}

/// What a failure of the file system means: most pass, these are the user's to mend.
pub fn kind_of(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound
        | Io::PermissionDenied
        | Io::AlreadyExists
        | Io::InvalidInput
        | Io::IsADirectory
        | Io::NotADirectory
        | Io::ReadOnlyFilesystem
        | Io::InvalidData => ErrorKind::User,
        _ => ErrorKind::Retry,
    }
}

/// An error and what caused it, each cause that the message does not already say.
pub fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = source.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        assert_eq!(Exit::Done.code(), 0);
        assert_eq!(Exit::Failed(ErrorKind::Data).code(), 1);
        assert_eq!(CommandError::user("x").code(), 2);
        assert_eq!(Exit::Failed(ErrorKind::Retry).code(), 3);
        assert_eq!(Exit::Failed(ErrorKind::Locked).code(), 4);
        assert_eq!(Exit::Failed(ErrorKind::Defect).code(), 5);
        assert_eq!(Exit::NothingToDo.code(), 99);
        assert_eq!(CommandError::Stopped(Signal::Interrupt).code(), 130);
        assert_eq!(CommandError::Stopped(Signal::Terminate).code(), 143);
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_error() {
        let error = CommandError::output(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(error.code(), 0);
    }

    #[test]
    fn a_reader_that_has_gone_takes_no_failure_with_it_and_a_full_disk_is_told() {
        let gone = || Err(CommandError::ReaderGone);
        for exit in [Exit::Done, Exit::NothingToDo, Exit::Failed(ErrorKind::Data)] {
            assert_eq!(exit.said(gone()).unwrap(), exit);
            assert_eq!(exit.said(Ok(())).unwrap(), exit);
        }
        let full = CommandError::output(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(Exit::Done.said(Err(full)).unwrap_err().code(), 3);
    }

    #[test]
    fn a_full_disk_is_worth_a_retry_and_a_forbidden_folder_is_not() {
        assert_eq!(kind_of(&std::io::Error::from(std::io::ErrorKind::StorageFull)), ErrorKind::Retry);
        assert_eq!(kind_of(&std::io::Error::from(std::io::ErrorKind::PermissionDenied)), ErrorKind::User);
    }
}
