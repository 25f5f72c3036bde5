//! letters.
