//! Whose request it is, for the limits that each client has.
//!
//! Invariant: pure; nobody but a trusted proxy can say that a request is another's.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

/// An IPv4 address, or the network of 64 bits of which an IPv6 customer has all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(u128);

const NETWORK: u128 = !(u128::MAX >> 64);

impl Client {
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(Ipv6Addr::to_bits(address.to_ipv6_mapped())),
            IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Self(Ipv6Addr::to_bits(address)),
            IpAddr::V6(address) => Self(Ipv6Addr::to_bits(address) & NETWORK),
        }
    }

    /// All those together for whom there is no place of their own: no client has the unspecified address.
    pub(super) const OTHERS: Self = Self(0);

    /// Of a request: the other end of the connection, or where that is a trusted proxy the nearest in `X-Forwarded-For`
    /// that is none. Each proxy adds to the right end, so what a client wrote there itself is never reached.
    #[must_use]
    pub fn of(headers: &HeaderMap, peer: IpAddr, is_proxy: impl Fn(IpAddr) -> bool) -> Self {
        let mut client = peer;
        let values = headers.get_all("x-forwarded-for").iter().rev();
        let mut steps = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        while is_proxy(client) {
            match steps.next().and_then(|step| read(step.trim())) {
                Some(address) => client = address,
                None => break,
            }
        }
        Self::new(client)
    }
}

/// An address, with or without a port.
fn read(text: &str) -> Option<IpAddr> {
    text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        let is_proxy = |address: IpAddr| address.to_string().starts_with("10.");
        let found = Client::of(&headers, peer.parse().unwrap(), is_proxy);
        assert_eq!(found, Client::new(expected.parse().unwrap()), "{peer} {forwarded:?}");
    }

    #[test]
    fn a_trusted_proxy_says_whose_a_request_is_and_nobody_else_does() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1");
        check("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn all_addresses_of_one_customer_are_one_client() {
        let client = |text: &str| Client::new(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("203.0.113.9"), client("::ffff:203.0.113.9"));
        assert_ne!(client("203.0.113.9"), client("203.0.113.8"));
    }
}
