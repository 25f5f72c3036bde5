//! Tests that need more than one room.

mod cases;
mod warehouse;
