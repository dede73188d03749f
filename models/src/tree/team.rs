//! Threads that live as long as a fit, each owning its share of the rows.
//!
//! A split of a small leaf takes some ten microseconds, a new thread as long: the threads stay, and work is sent to
//! them as closures over what they own. Nothing is shared that changes.

use std::sync::mpsc::{Receiver, RecvError, Sender, TryRecvError, channel};
use std::thread::Scope;

use super::error::TreeError;

type Job<'scope, L> = Box<dyn FnOnce(&mut L) + Send + 'scope>;

/// How often a receiver looks before it gives the processor away, and before it sleeps.
const LOOKS: usize = 2_000;
const YIELDS: usize = 50;

/// The lanes of a fit: the first on the caller's thread, each other on its own.
pub(crate) struct Team<'scope, L> {
    first: L,
    others: Vec<Sender<Job<'scope, L>>>,
}

impl<'scope, L: Send + 'scope> Team<'scope, L> {
    pub(crate) fn start<'env>(scope: &'scope Scope<'scope, 'env>, first: L, others: Vec<L>) -> Self {
        let start = |mut lane: L| {
            let (sender, receiver) = channel::<Job<'scope, L>>();
            scope.spawn(move || {
                while let Ok(job) = receive(&receiver) {
                    job(&mut lane);
                }
            });
            sender
        };
        Self { first, others: others.into_iter().map(start).collect() }
    }

    /// Does the same on every lane; answers in the order of the lanes.
    pub(crate) fn all<R, F>(&mut self, work: F) -> Result<Vec<R>, TreeError>
    where
        R: Send + 'scope,
        F: FnOnce(&mut L) -> R + Clone + Send + 'scope,
    {
        let mut answers = Vec::with_capacity(self.others.len());
        for other in &self.others {
            let (sender, receiver) = channel();
            let work = work.clone();
            // A closed channel is seen where the answer is awaited.
            let job = move |lane: &mut L| {
                // The closure is used up before its answer is sent: what it shared is the caller's alone again.
                let answer = work(lane);
                drop(sender.send(answer));
            };
            other.send(Box::new(job)).map_err(|_| TreeError::Worker)?;
            answers.push(receiver);
        }
        let mut found = Vec::with_capacity(answers.len() + 1);
        found.push(work(&mut self.first));
        for answer in &answers {
            found.push(receive(answer).map_err(|_| TreeError::Worker)?);
        }
        Ok(found)
    }
}

fn receive<T>(receiver: &Receiver<T>) -> Result<T, RecvError> {
    for look in 0..LOOKS + YIELDS {
        match receiver.try_recv() {
            Ok(found) => return Ok(found),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) if look < LOOKS => std::hint::spin_loop(),
            Err(TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
    receiver.recv()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_lanes_and_lanes_keep_their_state() {
        std::thread::scope(|scope| {
            let mut team = Team::start(scope, 0_usize, vec![10, 20]);
            let step = std::sync::Arc::new(1);
            let shared = step.clone();
            team.all(move |lane| *lane += *shared).unwrap();
            assert!(std::sync::Arc::try_unwrap(step).is_ok());
            assert_eq!(team.all(|lane| *lane).unwrap(), [1, 11, 21]);
        });
    }
}
