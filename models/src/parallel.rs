//! Work over rows in blocks that do not depend on the number of threads, so that sums do not either.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows in one chunk: at 50 columns of f64 a chunk is 100 KiB, which stays in the second-level cache.
pub(crate) const CHUNK: usize = 256;

/// Most partial results of one pass over the rows.
const BLOCKS: usize = 64;

/// Contiguous row ranges that cover `0..rows`: at most 64, each a multiple of [`CHUNK`] but the last.
///
/// A function of `rows` alone: whatever the number of threads, the same partial sums are added in the same order.
pub(crate) fn blocks(rows: usize) -> Vec<Range<usize>> {
    let chunks = rows.div_ceil(CHUNK);
    let size = chunks.div_ceil(BLOCKS).max(1) * CHUNK;
    (0..rows).step_by(size).map(|start| start..(start + size).min(rows)).collect()
}

/// `work` of every item, in the order of the items, on up to `threads` threads.
pub(crate) fn map<I: Sync, T: Send>(items: &[I], threads: usize, work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let threads = threads.clamp(1, items.len().max(1));
    if threads == 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            match items.get(at) {
                Some(item) => done.push((at, work(item))),
                None => return done,
            }
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for helper in helpers {
            match helper.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_row_once() {
        for rows in [0, 1, 255, 256, 257, 16_384, 16_385, 1_000_003] {
            let blocks = blocks(rows);
            assert!(blocks.len() <= BLOCKS);
            assert_eq!(blocks.iter().map(ExactSizeIterator::len).sum::<usize>(), rows);
            assert!(blocks.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_items_whatever_the_threads() {
        let items: Vec<usize> = (0..1000).collect();
        for threads in [0, 1, 2, 7] {
            assert_eq!(map(&items, threads, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
