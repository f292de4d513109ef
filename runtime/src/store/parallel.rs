//! The same work on many items by a few threads, with the result in the order of the items.
//!
//! Hashing and copying are what the store waits for; this spreads them. If several items
//! fail, the failure is that of the first of them in the list, whatever the threads' luck.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::failure::{Failure, Result};

/// Applies `work`, which hashes or copies, to each item; stops taking new items after a failure.
pub(super) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    // At least two: one waits for the disk while the other hashes.
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get()).clamp(2, 8);
    run(items, threads, work)
}

/// Applies `work`, which mostly waits for the file system, to each item. Where freeing a block waits for the
/// disk, a folder goes ten times as fast by this.
pub(super) fn each_waiting<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    run(items, 16, work).map(|_| ())
}

fn run<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    if items.len() < 4 {
        return items.iter().map(work).collect();
    }
    with_state(items, threads, || Ok(()), |(), item| work(item), Ok)
}

/// Applies `work` to each item by some threads, each of which begins and ends with a state of its own. A state is ended
/// after a failure too.
pub(crate) fn with_state<T: Sync, S, R: Send>(
    items: &[T],
    threads: usize,
    begin: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, &T) -> Result<R> + Sync,
    end: impl Fn(S) -> Result<()> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let failed: Mutex<Option<(usize, Failure)>> = Mutex::new(None);
    let fail = |index: usize, failure: Failure| {
        stop.store(true, Ordering::Relaxed);
        let mut first = failed.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(at, _)| index < *at) {
            *first = Some((index, failure));
        }
    };
    let take = || {
        let mut state = match begin() {
            Ok(state) => state,
            Err(failure) => return fail(usize::MAX, failure),
        };
        let mut mine = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            match work(&mut state, item) {
                Ok(result) => mine.push((index, result)),
                Err(failure) => fail(index, failure),
            }
        }
        if let Err(failure) = end(state) {
            fail(usize::MAX, failure);
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut mine);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(take);
        }
        take();
    });
    if let Some((_, failure)) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
