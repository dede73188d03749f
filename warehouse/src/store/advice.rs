//! What is to be done where storage failed, or gave what cannot be read, as far as the error says.

use std::error::Error;
use std::io::ErrorKind as Io;

/// What an error of the storage asks for; `otherwise` where it is none that a person can mend at the machine.
pub(crate) fn way_out(error: &(dyn Error + 'static), otherwise: &'static str) -> &'static str {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let kinds = causes.filter_map(|error| error.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let known = |kind| match kind {
        Io::StorageFull | Io::QuotaExceeded => Some("the disk is full: make room there, then run again"),
        Io::ReadOnlyFilesystem => Some("the disk may only be read: mount it for writing, then run again"),
        Io::PermissionDenied => Some("this user may not: let it read and write there, then run again"),
        _ => None,
    };
    kinds.filter_map(known).next().unwrap_or(otherwise)
}

/// What is said of a small object of ours that cannot be read, and what to do where no copy of it is left.
pub(crate) fn unreadable(source: &serde_json::Error, else_do: &str) -> String {
    match source.is_data() {
        true => format!(
            "is not of a form that this version can read: {source} — use the newest buho of those that write this lake"
        ),
        false => format!("is cut short or damaged: {source} — put that file back from a copy, or {else_do}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_one_that_may_only_be_read_are_told_as_that_however_the_error_is_wrapped() {
        let wrapped = |kind: Io| object_store::Error::Generic {
            store: "file",
            source: Box::new(std::io::Error::new(kind, "cannot write /lake/x")),
        };
        let asked = |kind| way_out(&wrapped(kind), "check that the lake is reachable");
        assert!(asked(Io::StorageFull).starts_with("the disk is full"));
        assert!(asked(Io::ReadOnlyFilesystem).starts_with("the disk may only be read"));
        assert_eq!(asked(Io::ConnectionReset), "check that the lake is reachable");
    }
}
