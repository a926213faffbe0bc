//! An allocator that counts, per thread.
#![allow(unsafe_code)] // an allocator cannot be written without; it only counts and passes on

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting the bytes that each thread asks for. To be installed with `#[global_allocator]`.
pub struct Counting;

thread_local! {
    // `const` and without a destructor: reading it never allocates, in a thread that ends neither.
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    BYTES.set(BYTES.get().wrapping_add(bytes));
}

// SAFETY: every method passes on what it was given to the system's allocator and returns what that returned.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size); // as if all of it were new: it may be
        unsafe { System.realloc(old, layout, size) }
    }
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

/// Bytes that this thread asks for while `work` runs; what it gives back in between is not subtracted.
pub fn during<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = BYTES.get();
    let done = work();
    (done, BYTES.get().wrapping_sub(before))
}

/// Whether [`Counting`] is this program's allocator: without it nothing is counted, and nothing proved.
pub fn is_installed() -> bool {
    during(|| std::hint::black_box(Box::new([0u8; 100]))).1 >= 100
}
