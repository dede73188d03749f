//! What is to be done where storage failed, or gave what cannot be read, as far as the error says.

use std::error::Error;
use std::io::ErrorKind as Io;

use crate::error::ErrorKind;

/// An error and what caused it, what an I/O error wraps among them.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// Whether a storage refused what was asked of it: no other try is let in before somebody gives the right. Local stores
/// wrap the refusal of the operating system.
pub fn is_refused(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        let by_store = matches!(
            error.downcast_ref(),
            Some(object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. })
        );
        by_store || error.downcast_ref().map(std::io::Error::kind) == Some(Io::PermissionDenied)
    })
}

/// What a failure of the storage means to whoever started the run.
pub(crate) fn kind_of(error: &(dyn Error + 'static)) -> ErrorKind {
    if is_refused(error) { ErrorKind::User } else { ErrorKind::Retry }
}

/// What an error of the storage asks for; `otherwise` where it is none that a person can mend at the machine.
pub(crate) fn way_out(error: &(dyn Error + 'static), otherwise: &'static str) -> &'static str {
    let kinds = causes(error).filter_map(|error| error.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let known = |kind| match kind {
        Io::StorageFull | Io::QuotaExceeded => Some("the disk is full: make room there, then run again"),
        Io::ReadOnlyFilesystem => Some("the disk may only be read: mount it for writing, then run again"),
        Io::PermissionDenied => Some("this user may not: let it read and write there, then run again"),
        _ => None,
    };
    let refused =
        is_refused(error).then_some("the storage refused: give this user, or its credentials, the right to it");
    kinds.filter_map(known).next().or(refused).unwrap_or(otherwise)
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

    #[test]
    fn what_a_storage_refuses_is_to_be_mended_and_not_tried_again_wherever_it_is_met() {
        use crate::ingest::IngestError;
        use crate::lease::LeaseError;
        use crate::release::ReleaseError;
        use crate::run::RunError;
        use crate::store::ProbeError;
        use crate::table::TableError;
        let denied = || std::io::Error::from(Io::PermissionDenied);
        let path = || "lake/x".to_owned();
        let refusals: [fn() -> object_store::Error; 4] = [
            || object_store::Error::PermissionDenied { path: String::new(), source: "403".into() },
            || object_store::Error::Unauthenticated { path: String::new(), source: "401".into() },
            || object_store::Error::Generic {
                store: "file",
                source: std::io::Error::from(Io::PermissionDenied).into(),
            },
            || object_store::Error::Generic {
                store: "file",
                source: std::io::Error::other(std::io::Error::from(Io::PermissionDenied)).into(),
            },
        ];
        let of = |source: &dyn Fn() -> object_store::Error| {
            let (table, url) = ("core.x".to_owned(), path());
            let query = datafusion::error::DataFusionError::ObjectStore(Box::new(source()));
            [
                ReleaseError::Storage { path: path(), source: source() }.kind(),
                LeaseError::Storage { path: path(), source: source() }.kind(),
                ProbeError::Storage { url: path(), action: "write to", source: source() }.kind(),
                TableError::Read { table: table.clone(), url, source: Box::new(source().into()) }.kind(),
                TableError::Write { table, path: path(), source: Box::new(source()) }.kind(),
                IngestError::storage("raw/x", "read", source()).kind(),
                RunError::while_running("core.x", &query).kind(),
            ]
        };
        for refusal in refusals {
            assert_eq!(of(&refusal), [ErrorKind::User; 7], "{:?}", refusal());
        }
        let unread = IngestError::Read { path: path(), source: denied() };
        assert_eq!(unread.kind(), ErrorKind::User);
        let down =
            || object_store::Error::Generic { store: "S3", source: std::io::Error::from(Io::ConnectionReset).into() };
        assert_eq!(of(&down), [ErrorKind::Retry; 7]);
        assert!(way_out(&refusals[0](), "run again").starts_with("the storage refused"));
    }
}
