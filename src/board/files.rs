//! Open files of the process: each connection is one.
//!
//! Invariant: the limit of the process is only raised, and never beyond what the system allows it.

/// What else a process has open: ClickHouse, Kafka, the port for operators, its log.
const OTHERS: u64 = 1_024;

/// Raises the limit of open files so far that this many connections fit, and warns where they do not.
///
/// Many systems start a process with 1,024 and allow it far more, for programs that cannot count any higher.
pub(super) fn allow(connections: u32) {
    let wanted = u64::from(connections) + OTHERS;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed >= wanted => {}
        Ok(allowed) => tracing::warn!(
            allowed,
            wanted,
            "the system allows fewer open files than the board may need: raise the limit (`LimitNOFILE`), or lower \
             `board.limits.connections`"
        ),
        Err(error) => tracing::warn!(error = %error, "the limit of open files cannot be raised"),
    }
}
