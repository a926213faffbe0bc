//! SQLite's memory by thread.
//!
//! SQLite counts its memory for the whole process, and other parts of a program may use it as well. A statement runs on one thread from its start to its
//! end, so the allocations of that thread are the statement's own. They go on to SQLite's allocator, and one beyond the statement's bound fails.
#![allow(unsafe_code)] // an allocator is a table of C functions

use rusqlite::ffi;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::{Once, OnceLock};

thread_local! {
    /// Bytes that this thread has allocated and not freed.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The bound on [`HELD`].
    static MOST: Cell<isize> = const { Cell::new(isize::MAX) };
}

/// SQLite's own allocator.
struct Allocator {
    malloc: unsafe extern "C" fn(c_int) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    realloc: unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void,
    size: unsafe extern "C" fn(*mut c_void) -> c_int,
}

static ALLOCATOR: OnceLock<Allocator> = OnceLock::new();
/// True if SQLite has taken our allocator.
static COUNTED: OnceLock<bool> = OnceLock::new();

/// Lets SQLite's memory be counted by thread from now on. Only before the first use of SQLite in a process can it be: a program that uses SQLite beside an
/// [`Engine`](super::Engine) calls this at its start. Without it a statement's memory is what the whole process has come to hold since its start.
pub fn count_memory_by_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut methods = ffi::sqlite3_mem_methods {
            xMalloc: None,
            xFree: None,
            xRealloc: None,
            xSize: None,
            xRoundup: None,
            xInit: None,
            xShutdown: None,
            pAppData: std::ptr::null_mut(),
        };
        // SAFETY: both calls take a table of methods; the second copies it. SQLite refuses them once it is in use.
        let asked = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut methods) };
        let (Some(xmalloc), Some(xfree), Some(xrealloc), Some(xsize), ffi::SQLITE_OK) =
            (methods.xMalloc, methods.xFree, methods.xRealloc, methods.xSize, asked)
        else {
            return;
        };
        let own = Allocator { malloc: xmalloc, free: xfree, realloc: xrealloc, size: xsize };
        let _ = ALLOCATOR.set(own); // it is set here alone
        methods.xMalloc = Some(malloc);
        methods.xFree = Some(free);
        methods.xRealloc = Some(realloc);
        methods.xSize = Some(size);
        // SAFETY: as above.
        let set = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) };
        let _ = COUNTED.set(set == ffi::SQLITE_OK); // likewise
    });
}

/// Bytes that SQLite holds for this thread.
pub fn held() -> isize {
    if COUNTED.get() == Some(&true) {
        return HELD.get();
    }
    // SAFETY: it takes no argument and only reads a counter.
    isize::try_from(unsafe { ffi::sqlite3_memory_used() }).unwrap_or(isize::MAX)
}

/// Lets this thread hold so many bytes more than it does; an allocation beyond them fails.
pub fn bound(more: usize) {
    MOST.set(HELD.get().saturating_add_unsigned(more));
}

/// This thread may hold any number of bytes.
pub fn unbound() {
    MOST.set(isize::MAX);
}

fn fits(more: isize) -> bool {
    HELD.get().saturating_add(more) <= MOST.get()
}

fn hold(more: isize) {
    HELD.set(HELD.get().saturating_add(more));
}

/// SAFETY: SQLite calls this as its allocator, after [`count_memory_by_thread`] has set [`ALLOCATOR`].
unsafe extern "C" fn malloc(bytes: c_int) -> *mut c_void {
    let Some(own) = ALLOCATOR.get().filter(|_| fits(bytes as isize)) else { return std::ptr::null_mut() };
    // SAFETY: the arguments are SQLite's.
    let place = unsafe { (own.malloc)(bytes) };
    // SAFETY: a place that was just allocated.
    hold(if place.is_null() { 0 } else { unsafe { (own.size)(place) as isize } });
    place
}

/// SAFETY: as above.
unsafe extern "C" fn free(place: *mut c_void) {
    let Some(own) = ALLOCATOR.get().filter(|_| !place.is_null()) else { return };
    // SAFETY: the place was allocated above, and SQLite frees it once.
    unsafe {
        hold(-((own.size)(place) as isize));
        (own.free)(place);
    }
}

/// SAFETY: as above.
unsafe extern "C" fn realloc(place: *mut c_void, bytes: c_int) -> *mut c_void {
    let Some(own) = ALLOCATOR.get() else { return std::ptr::null_mut() };
    // SAFETY: the place was allocated above.
    let before = unsafe { (own.size)(place) as isize };
    if bytes as isize > before && !fits(bytes as isize - before) {
        return std::ptr::null_mut();
    }
    // SAFETY: the arguments are SQLite's.
    let moved = unsafe { (own.realloc)(place, bytes) };
    if !moved.is_null() {
        // SAFETY: a place that was just allocated.
        hold(unsafe { (own.size)(moved) as isize } - before);
    }
    moved
}

/// SAFETY: as above.
unsafe extern "C" fn size(place: *mut c_void) -> c_int {
    // SAFETY: the place was allocated above.
    ALLOCATOR.get().map_or(0, |own| unsafe { (own.size)(place) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_beyond_the_bound_of_a_thread_fails_and_other_threads_have_their_own() {
        count_memory_by_thread();
        let sqlite = rusqlite::Connection::open_in_memory().unwrap();
        assert_eq!(COUNTED.get(), Some(&true), "SQLite was used before");
        let before = held();
        assert!(before > 0);
        let length = |length: i64| {
            let hex = "SELECT length(hex(zeroblob(?1)))";
            sqlite.query_row(hex, [length / 2], |row| row.get::<_, i64>(0))
        };
        bound(1 << 20);
        assert_eq!(length(1 << 16), Ok(1 << 16));
        let error = length(4 << 20).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::OutOfMemory), "{error}");
        let other = std::thread::spawn(|| {
            let sqlite = rusqlite::Connection::open_in_memory().unwrap();
            sqlite.query_row("SELECT length(hex(zeroblob(2000000)))", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(other.join().unwrap(), Ok(4_000_000));
        unbound();
        assert_eq!(length(4 << 20), Ok(4 << 20));
        drop(sqlite);
        assert!(held() < before, "what is freed is not held");
    }
}
