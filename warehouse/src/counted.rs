//! An allocator for tests that counts what code holds, whether it asked a pool for it or not.
//!
//! A thread may have an account, which it shares with others of the same simulation. What such a thread takes is added to
//! it, what it gives back is taken off, and little is missed by what one kind of thread takes and the other gives back.
//! What libraries in C take is not counted.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait, and nothing else sees what asks no pool")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};

/// Accounts there may be at a time; the first is that of threads without.
const ACCOUNTS: usize = 64;
/// Bytes that a thread keeps to itself before it tells them to the account.
const STEP: isize = 16 << 10;

#[derive(Debug)]
struct Sum {
    held: AtomicIsize,
    highest: AtomicIsize,
}

static SUMS: [Sum; ACCOUNTS] = [const { Sum { held: AtomicIsize::new(0), highest: AtomicIsize::new(0) } }; ACCOUNTS];
/// A bit for each account that is somebody's.
static TAKEN: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The thread's account, and what it has not told it yet.
    static HERE: Cell<(usize, isize)> = const { Cell::new((0, 0)) };
}

/// Counts, and has the system's allocator do the work.
#[derive(Debug)]
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An account, until it is dropped.
#[derive(Debug)]
pub(crate) struct Account(usize);

impl Account {
    pub(crate) fn open() -> Self {
        let free = |taken: u64| (taken != u64::MAX).then(|| taken | (taken + 1));
        let taken = TAKEN.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free).expect("an account is free");
        Self(taken.trailing_ones() as usize)
    }

    pub(crate) fn number(&self) -> usize {
        self.0
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        TAKEN.fetch_and(!(1 << self.0), Ordering::SeqCst);
    }
}

/// What this thread takes is on an account from now on.
pub(crate) fn pay_from(account: usize) {
    HERE.set((account, 0));
}

/// What the thread's account holds. From here on the highest of it is looked for.
pub(crate) fn mark() -> isize {
    let sum = told();
    let held = sum.held.load(Ordering::SeqCst);
    sum.highest.store(held, Ordering::SeqCst);
    held
}

/// The most that the thread's account held at a time since the mark.
pub(crate) fn highest() -> isize {
    told().highest.load(Ordering::SeqCst)
}

/// The thread's account, which knows all of what the thread took.
fn told() -> &'static Sum {
    let (account, untold) = HERE.get();
    HERE.set((account, 0));
    tell(account, untold);
    &SUMS[account]
}

fn tell(account: usize, bytes: isize) {
    let sum = &SUMS[account];
    let held = sum.held.fetch_add(bytes, Ordering::SeqCst) + bytes;
    sum.highest.fetch_max(held, Ordering::SeqCst);
}

fn count(bytes: isize) {
    let counted = HERE.try_with(|here| {
        let (account, untold) = here.get();
        if account == 0 {
            return;
        }
        let untold = untold + bytes;
        let is_told = untold >= STEP || untold <= -STEP;
        here.set((account, if is_told { 0 } else { untold }));
        if is_told {
            tell(account, untold);
        }
    });
    // A thread that ends counts no more.
    counted.unwrap_or_default();
}

// SAFETY: all of it is the system's allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller says.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as the caller says.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: isize = 1 << 20;

    #[test]
    fn what_threads_of_an_account_take_is_on_it_until_one_of_them_gives_it_back() {
        let account = Account::open();
        let number = account.number();
        let taking = std::thread::spawn(move || {
            pay_from(number);
            let before = mark();
            let mut block = vec![1_u8; MIB as usize];
            block.reserve_exact(3 * MIB as usize);
            drop(vec![0_u8; 2 * MIB as usize]);
            (before, block, highest())
        });
        let (before, block, highest) = taking.join().unwrap();
        assert!((6 * MIB..7 * MIB).contains(&(highest - before)), "{highest}");
        pay_from(number);
        assert!((4 * MIB - STEP..5 * MIB).contains(&(mark() - before)));
        drop(block);
        assert!(mark() - before < MIB);
        pay_from(0);
    }
}
