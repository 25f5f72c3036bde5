//! Tests that need more than one room.
//!
//! Invariant: they see the program from outside, and real components wherever it has any.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; clippy's exception covers test functions alone"
)]

mod cases;
mod components;
mod engine_process;
mod support;
mod warehouse;
