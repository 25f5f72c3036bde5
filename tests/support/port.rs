//! Ports for processes that have to be told where to listen.
//!
//! Invariant: none is given out twice in a run, and none is one of those that the system takes for connections (from 32,768 on):
//! such a one, free a moment ago, can be in the way of the process that starts there, or starts again.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// How many were looked at.
static LOOKED: AtomicU32 = AtomicU32::new(0);

/// On this machine alone; nobody listens there now.
pub(crate) fn free() -> SocketAddr {
    // Runs at the same time begin far from each other.
    let start = std::process::id().wrapping_mul(997) % COUNT;
    loop {
        let looked = LOOKED.fetch_add(1, Ordering::Relaxed);
        assert!(looked < COUNT, "no port is free from {FIRST} on");
        let port = u16::try_from(FIRST + (start + looked) % COUNT).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
