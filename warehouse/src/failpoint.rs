//! Steps of the protocol at which a test makes the process die as by `kill -9`, or be told to stop.
//!
//! `BUHO_FAILPOINT=release.linked` kills the process when it first reaches that step, and
//! `BUHO_FAILPOINT=table.committed:3` the third time; with `:TERM` or `:INT` behind it that signal is sent and
//! the process goes on, as it does while somebody stops it. Only builds with debug assertions have it: a
//! release build has neither the variable nor a line of code at the steps. `tests/peers/test_kills.py`
//! kills at every step there is, and reads in the log (`-v`) which ones a command reaches.

/// Says that a step of the protocol was done; the process dies here where a test asked for it.
#[cfg(debug_assertions)]
pub(crate) fn reached(step: &str) {
    tracing::debug!(step, "reached");
    match dies::here(step) {
        Some(signal) if signal == dies::KILL => dies::now(),
        Some(signal) => dies::send(signal),
        None => {}
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
    /// The signal that nobody can answer.
    pub(super) const KILL: &str = "KILL";

    /// The step that was asked for, which time it is meant, and the signal.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Asked {
        step: String,
        nth: u64,
        signal: &'static str,
    }

    impl Asked {
        pub(super) fn parse(text: &str) -> Option<Self> {
            let (text, signal) = match text.rsplit_once(':') {
                Some((text, "TERM")) => (text, "TERM"),
                Some((text, "INT")) => (text, "INT"),
                _ => (text, KILL),
            };
            let (step, nth) = match text.split_once(':') {
                Some((step, nth)) => (step, nth.parse().ok()?),
                None => (text, 1),
            };
            (!step.is_empty()).then(|| Self { step: step.to_owned(), nth, signal })
        }
    }

    /// The signal that is to be sent at this step, now that it is reached.
    pub(super) fn here(step: &str) -> Option<&'static str> {
        static ASKED: OnceLock<Option<Asked>> = OnceLock::new();
        static REACHED: AtomicU64 = AtomicU64::new(0);
        let asked = ASKED.get_or_init(|| crate::store::process_environment(VARIABLE).as_deref().and_then(Asked::parse));
        let asked = asked.as_ref().filter(|asked| asked.step == step)?;
        (REACHED.fetch_add(1, Ordering::SeqCst) + 1 == asked.nth).then_some(asked.signal)
    }

    /// Sends a signal to this process, from a child because nothing in the library may.
    pub(super) fn send(signal: &str) {
        let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{signal} \"$PPID\"")]).status();
        tracing::debug!(signal, ?sent, "a failpoint was reached");
    }

    /// The step goes no further, whatever other threads still manage to do.
    pub(super) fn now() -> ! {
        send(KILL);
        tracing::error!("a failpoint was reached, and the process could not be killed");
        std::process::abort()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_step_may_say_which_time_it_is_meant() {
            let asked = |step: &str, nth, signal| Some(Asked { step: step.to_owned(), nth, signal });
            assert_eq!(Asked::parse("release.linked"), asked("release.linked", 1, KILL));
            assert_eq!(Asked::parse("table.committed:3"), asked("table.committed", 3, KILL));
            assert_eq!(Asked::parse("table.committed:3:TERM"), asked("table.committed", 3, "TERM"));
            assert_eq!(Asked::parse("release.linked:INT"), asked("release.linked", 1, "INT"));
            assert_eq!(Asked::parse("table.committed:often"), None);
            assert_eq!(Asked::parse(""), None);
        }
    }
}
