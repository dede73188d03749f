//! Deliberate defects of the protocol, by which the simulator of faults is itself tested.
//!
//! Each is consulted at a single line. Outside the crate's own tests [`planted`] is a constant `false`, so
//! nothing of it is compiled into a binary.

/// One defect; the text says what the code does while it is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A commit that got no answer is made again, on top of whatever is there by then, a later holder's fence too.
    CommitsAgain,
    /// Bronze files that are written anew lose the values of a column.
    RewriteLosesValues,
    /// The release goes out before its tables are committed.
    #[cfg(test)]
    ReleasesFirst,
    /// Maintenance drops releases that are pinned.
    PinsIgnored,
    /// Maintenance removes the files of a dropped release at once.
    NoGrace,
    /// A holder that took over fences no log.
    NoFence,
    /// A release is put without a link in the lease's chain.
    LeaseUnchecked,
    /// A resumed run takes what was staged by whatever recipe.
    AnyStagedNote,
    /// What an audit says is not listened to.
    AuditsIgnored,
    /// A table that is held is released as fresh.
    HeldAsFresh,
    /// The rows of a replaced delivery stay in bronze.
    ReplacedRowsStay,
    /// The newest ledger is believed, whether a commit names it or not.
    LedgerUntied,
    /// What a table stands on is stored as if its rows before stood on it.
    StandingUnderPrior,
    /// A merge leaves the rows before of the keys it brings.
    MergeKeepsOldRows,
    /// A night's state enters a history at the highest night.
    HistoryAtWrongNight,
    /// Log entries go by the newest version, whatever a kept release needs.
    LogCutTooFar,
    /// Rows that an attempt before put into quarantine are not superseded by those of the next.
    QuarantineAddedTo,
    /// An audit of keys takes memory that it asks no pool for.
    MemoryUntold,
    /// What an audit of keys took of the memory budget is not given back.
    MemoryKept,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether a defect is planted in what this thread runs.
#[cfg(test)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

#[cfg(not(test))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}

/// Plants a defect in what this thread runs from now on.
#[cfg(test)]
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}
