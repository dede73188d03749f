//! What an error means to whoever started the run: one kind, one exit code.

/// The second level of every error of Buho: what the caller should do about it.
///
/// Ordered so that of several causes the greatest decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The data failed while running: an audit, a contract, an overflow. Mend the data.
    Data,
    /// The user's mistake, found before anything ran. Mend the project or the flags.
    User,
    /// Storage, network, disk full, memory. Try again.
    Retry,
    /// Another run holds the night. Wait for it.
    Locked,
    /// A defect of Buho. Report it.
    Defect,
}

impl ErrorKind {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::User => 2,
            Self::Retry => 3,
            Self::Locked => 4,
            Self::Defect => 5,
        }
    }

    /// The name used in the JSON result line (`exit_kind`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::User => "user",
            Self::Retry => "retry",
            Self::Locked => "locked",
            Self::Defect => "defect",
        }
    }

    /// Of several causes the one that decides: 5, 3, 2, 1; a held lease ends a run before others arise.
    pub fn worst(self, other: Self) -> Self {
        let rank = |kind: Self| match kind {
            Self::Data => 1,
            Self::User => 2,
            Self::Retry => 3,
            Self::Locked => 4,
            Self::Defect => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}
