//! Tests that need more than one room.
//!
//! Invariant: they see the program from outside, and real components wherever it has any.

#![allow(clippy::unwrap_used, reason = "a test may stop where it cannot go on, its own functions as well")]

mod board;
mod board_registers;
mod boards;
mod broadcasts;
mod browser;
mod burst;
mod cases;
mod catalogue;
mod chaos;
mod codes;
mod components;
mod contract;
mod corrections;
mod costs;
mod dbt;
mod dead_letters;
mod demo;
mod dimensions;
mod engine;
mod engine_process;
mod episodes;
mod export;
mod facts;
mod faults;
mod golden;
mod grants;
mod hostile;
mod interruptions;
mod kept;
mod life;
mod lineage;
mod measured;
mod official;
mod pipeline;
mod places;
mod prerequisites;
mod pressure;
mod property;
mod questions;
mod reconcile;
mod recount;
mod reference_files;
mod refreshes;
mod schemas;
mod secrets;
mod secured;
mod simulation;
mod stories;
mod support;
mod tidy;
mod top;
mod values;
mod verify;
mod versions;
mod views;
mod warehouse;
mod warehouse_sql;
