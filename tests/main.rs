//! Tests that need more than one room.

#![allow(clippy::unwrap_used, reason = "a test may stop where it cannot go on, its own functions as well")]

mod cases;
mod schemas;
mod warehouse;
