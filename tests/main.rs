//! Tests that need more than one room.
//!
//! Invariant: they see the program from outside, and real components wherever it has any.

#![allow(clippy::unwrap_used, reason = "a test may stop where it cannot go on, its own functions as well")]

mod burst;
mod cases;
mod chaos;
mod components;
mod engine_process;
mod faults;
mod golden;
mod life;
mod pipeline;
mod pressure;
mod property;
mod recount;
mod schemas;
mod support;
mod tidy;
mod warehouse;
mod warehouse_sql;
