//! Many workers, one order: the same files whatever the number of threads.
//!
//! Customers are generated in chunks. Worker `w` of `n` takes chunks `w`, `w + n`, ..., and hands each
//! over through a channel of its own that holds one; the writer takes from the workers in turn. So
//! chunks arrive in order, and no more than two a worker are in memory.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::customer;
use super::desk::{Desk, Tally};
use super::error::DemoError;
use super::export::sink::{Batch, Plan};
use super::export::spool::{Spool, WAITING_BYTES, Written};
use super::shop;
use super::world::World;
use super::{DemoOptions, DemoSummary, truth};

/// Customers of a chunk. The order of rows in the files depends on it.
const CHUNK: u64 = 2_048;

/// Writes a demo with a given number of threads.
///
/// # Errors
/// See [`super::write_exports`].
pub fn write(options: &DemoOptions, threads: usize) -> Result<DemoSummary, DemoError> {
    write_extending(options, threads, WAITING_BYTES)
}

/// As [`write`], with the files extended whenever so many bytes wait.
pub fn write_extending(options: &DemoOptions, threads: usize, most: usize) -> Result<DemoSummary, DemoError> {
    options.check()?;
    let world = World::new(options);
    let spool = Spool::open(&options.raw, &options.truth, &world.calendar, most)?;
    let files = write_files(&world, spool, threads.max(1))?;
    let summary = DemoSummary::of(&files);
    truth::write(options, &world, &summary)?;
    Ok(summary)
}

fn write_files(world: &World, mut spool: Spool, threads: usize) -> Result<Vec<Written>, DemoError> {
    let mut desk = Desk::new(world, Plan::DENSE);
    shop::open(world, &mut desk);
    spool.take(desk.sink.drain()?)?;
    let tally = write_customers(world, &mut spool, threads)?;
    desk.sink.restart(Plan::DENSE);
    shop::close(world, &tally, &mut desk);
    spool.take(desk.sink.drain()?)?;
    drop(desk);
    spool.finish(threads)
}

fn write_customers(world: &World, spool: &mut Spool, threads: usize) -> Result<Tally, DemoError> {
    let chunks = world.customers.div_ceil(CHUNK);
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        let mut batches: Vec<Receiver<Batch>> = Vec::new();
        for worker in 0..threads {
            let (sender, receiver) = sync_channel(1);
            batches.push(receiver);
            let mine = (worker as u64..chunks).step_by(threads);
            workers.push(scope.spawn(move || work(world, mine, &sender)));
        }
        let mut taken = Ok(());
        for chunk in 0..chunks {
            let from = usize::try_from(chunk).unwrap_or(0) % threads;
            // A worker that stops early says why when it is joined.
            let Some(Ok(batch)) = batches.get(from).map(Receiver::recv) else { break };
            taken = spool.take(batch);
            if taken.is_err() {
                break;
            }
        }
        drop(batches);
        let mut tally = Tally::new(world);
        for worker in workers {
            let counted = worker.join().map_err(|_panic| DemoError::Worker)?;
            if taken.is_ok() {
                tally.add(&counted?);
            }
        }
        taken.map(|()| tally)
    })
}

fn work(world: &World, chunks: impl Iterator<Item = u64>, sender: &SyncSender<Batch>) -> Result<Tally, DemoError> {
    let mut desk = Desk::new(world, Plan::SPARSE);
    for chunk in chunks {
        desk.sink.restart(if chunk == 0 { Plan::DENSE } else { Plan::SPARSE });
        let first = chunk * CHUNK + 1;
        for number in first..(first + CHUNK).min(world.customers + 1) {
            customer::live(world, number, &mut desk);
        }
        if sender.send(desk.sink.drain()?).is_err() {
            // The writer has given up, and says why.
            return Ok(desk.tally);
        }
    }
    Ok(desk.tally)
}
