//! Tests that need more than one room.
//!
//! Invariant: they see the program from outside, and real components wherever it has any.

#![allow(clippy::unwrap_used, reason = "a test may stop where it cannot go on, its own functions as well")]

mod cases;
mod components;
mod engine_process;
mod schemas;
mod support;
mod tidy;
mod warehouse;
