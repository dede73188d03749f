//! Steps of the protocol at which a test makes the process die as by `kill -9`.
//!
//! `BUHO_FAILPOINT=release.linked` kills the process when it first reaches that step, and
//! `BUHO_FAILPOINT=table.committed:3` the third time. Only builds with debug assertions have it: a
//! release build has neither the variable nor a line of code at the steps. `tests/peers/test_kills.py`
//! kills at every step there is, and reads in the log (`-v`) which ones a command reaches.

/// Says that a step of the protocol was done; the process dies here where a test asked for it.
#[cfg(debug_assertions)]
pub(crate) fn reached(step: &str) {
    tracing::debug!(step, "reached");
    if dies::here(step) {
        dies::now();
    }
}

/// Nothing, in a build for users.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn reached(_step: &str) {}

#[cfg(debug_assertions)]
mod dies {
    use std::process::Command;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    const VARIABLE: &str = "BUHO_FAILPOINT";

    /// The step that was asked for, and how often it may still be passed.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Asked {
        step: String,
        nth: u64,
    }

    impl Asked {
        pub(super) fn parse(text: &str) -> Option<Self> {
            let (step, nth) = match text.split_once(':') {
                Some((step, nth)) => (step, nth.parse().ok()?),
                None => (text, 1),
            };
            (!step.is_empty()).then(|| Self { step: step.to_owned(), nth })
        }
    }

    pub(super) fn here(step: &str) -> bool {
        static ASKED: OnceLock<Option<Asked>> = OnceLock::new();
        static REACHED: AtomicU64 = AtomicU64::new(0);
        let asked = ASKED.get_or_init(|| crate::store::process_environment(VARIABLE).as_deref().and_then(Asked::parse));
        asked
            .as_ref()
            .is_some_and(|asked| asked.step == step && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == asked.nth)
    }

    /// Sends SIGKILL to this process, from a child because nothing in the library may; the step goes
    /// no further, whatever other threads still manage to do.
    pub(super) fn now() -> ! {
        let sent = Command::new("/bin/sh").args(["-c", "kill -9 \"$PPID\""]).status();
        tracing::error!(?sent, "a failpoint was reached, and the process could not be killed");
        std::process::abort()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_step_may_say_which_time_it_is_meant() {
            let asked = |step: &str, nth| Some(Asked { step: step.to_owned(), nth });
            assert_eq!(Asked::parse("release.linked"), asked("release.linked", 1));
            assert_eq!(Asked::parse("table.committed:3"), asked("table.committed", 3));
            assert_eq!(Asked::parse("table.committed:often"), None);
            assert_eq!(Asked::parse(""), None);
        }
    }
}
