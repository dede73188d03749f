//! What the process takes of the machine.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// Milliseconds that freed memory is kept for the next who asks; `mi_option_purge_delay` of mimalloc's header, which the
/// bindings do not name.
const PURGE_DELAY: mi_option_t = 15;
/// A hundredth of what mimalloc keeps it for. CONTRIBUTING.md has the measurements.
const KEPT_MS: c_long = 10;

/// Asks for as many open files as may be asked for: the usual 1,024 (256 on macOS) are few for spilled batches, each in
/// a file of its own. Where no more are given, those there are have to do.
pub(crate) fn open_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Gives memory back to the system soon after it is freed, unless the environment says otherwise: what threads of one
/// node had, the allocator keeps beside what the next node takes, and `memory` counts only what is in use.
pub(crate) fn freed_memory() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        set_option(PURGE_DELAY, KEPT_MS);
    }
}

#[expect(unsafe_code, reason = "the allocator's options can be set by its C interface alone")]
fn set_option(option: mi_option_t, value: c_long) {
    // SAFETY: the call writes one number of a table within the allocator, at any time and from any thread; it takes no
    // pointer, and ignores an option that it does not know.
    unsafe { mi_option_set(option, value) }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[expect(unsafe_code, reason = "the allocator's options can be read by its C interface alone")]
    fn option(option: mi_option_t) -> c_long {
        // SAFETY: as above, and reads.
        unsafe { mi_option_get(option) }
    }

    #[test]
    fn the_option_that_is_set_is_the_one_that_keeps_freed_memory_for_a_second_by_default() {
        assert_eq!(
            option(PURGE_DELAY),
            1000,
            "another version of mimalloc: look up `mi_option_purge_delay` in its header"
        );
        freed_memory();
        assert_eq!(option(PURGE_DELAY), KEPT_MS);
    }
}
