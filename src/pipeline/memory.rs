//! Has the allocator give large blocks back to the system.
//!
//! Invariant: changes where blocks lie, never what is in them; all `unsafe` around the allocator is in this file.
//!
//! # Why
//! glibc takes blocks from 128 KiB on from the system and gives them back, but raises that limit, up to 32 MiB, with each
//! large block that is freed. From then on the registers and batches of all threads lie in the heaps of glibc, which grow
//! in holes as they double: measured with 16 partitions, 192 MB instead of 102 after 100,000 events, 419 instead of 372 after
//! 4,000,000. A limit that is set once stays.

/// Blocks from this size on, in bytes, are the system's: just above the batches of most producers, which come and go.
const LARGE: i32 = 1 << 20;

/// Sets the limit for the whole process; a second call changes nothing.
pub(super) fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` may be called at any time from any thread, and takes its arguments by value.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
