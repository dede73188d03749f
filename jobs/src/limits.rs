//! What the operating system lets the process have.

/// Asks for as many open files as may be asked for: the usual 1,024 (256 on macOS) are few for spilled batches, each in
/// a file of its own. Where no more are given, those there are have to do.
pub(crate) fn open_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
