//! How much memory is in use, and the most that was since it was asked to count anew.
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; this one passes everything on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(live, Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Begins to count, and returns what is in use now.
pub(crate) fn begin() -> usize {
    let live = LIVE.load(Relaxed);
    MOST.store(live, Relaxed);
    live
}

/// The most that was in use since then, beyond what was in use.
pub(crate) fn most(began: usize) -> usize {
    MOST.load(Relaxed).saturating_sub(began)
}
