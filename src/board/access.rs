//! Who may see what: the scope of each request, from a signed link or from a trusted proxy.
//!
//! Invariant: what a viewer may see is decided in [`sight`] alone, before anything is read for them; keys and tokens
//! are never logged or shown.
//!
//! A link (`yinliu token`) carries its scope in a token that one of at most two keys has signed. It is opened once:
//! the token moves to a cookie that scripts cannot read, and out of the address bar. A proxy that signs people in by
//! itself may name the scope in a header instead; the header of anybody else is not looked at.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, Uri, header};
use serde::{Deserialize, Serialize};

use self::grant::Grant;
use self::network::Network;
use super::problem::{Problem, Unsigned};

pub mod grant;
pub mod link;
pub mod network;
pub mod sight;
pub mod token;

/// Section `board.access`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The secrets that sign links, by id: the newest, which is the last in order, and for a rotation the one before.
    pub keys: BTreeMap<String, Secret>,
    /// The header in which a trusted proxy says what a viewer may see; empty: none.
    pub proxy_header: String,
    /// The addresses of these proxies, such as `10.0.0.7` or `10.0.0.0/8`.
    #[serde(deserialize_with = "crate::source::text_or_list")]
    pub proxy_addresses: Vec<String>,
    /// Whether walls name members of staff.
    pub wall_names: bool,
}

/// At most: the key that signs, and the one before it until its links have expired.
pub const KEYS_MAX: usize = 2;
/// HMAC-SHA256 wants a key as long as its hash (RFC 7518, section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// A secret of the configuration: never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

/// The parameter of a link, and the name of the cookie that it becomes.
pub const PARAMETER: &str = "token";
const COOKIE: &str = "yinliu_board";

impl Config {
    /// Whether nobody has to show anything: then everybody sees everything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.keys.is_empty() && self.proxy_header.is_empty()
    }
}

/// The doorkeeper of one board.
#[derive(Clone, Debug)]
pub struct Access {
    config: Config,
    proxy_header: Option<HeaderName>,
    proxies: Vec<Network>,
}

impl Access {
    /// From a configuration that was checked.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let proxy_header = HeaderName::from_bytes(config.proxy_header.as_bytes()).ok();
        let proxies = config.proxy_addresses.iter().filter_map(|text| Network::read(text)).collect();
        Self { config, proxy_header, proxies }
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.config.is_open()
    }

    #[must_use]
    pub fn wall_names(&self) -> bool {
        self.config.wall_names
    }

    /// Whether this peer is one of the trusted proxies.
    #[must_use]
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(peer))
    }

    /// What the sender of a request may see: `peer` is the other end of the connection, `now` seconds since the epoch.
    ///
    /// # Errors
    /// [`Problem::Unsigned`] where nothing valid was shown.
    pub fn identify(&self, headers: &HeaderMap, peer: IpAddr, now: i64) -> Result<Grant, Problem> {
        if self.is_open() {
            return Ok(Grant::everything());
        }
        if let Some(named) = self.named_by_proxy(headers, peer) {
            return named;
        }
        let token = bearer(headers).or_else(|| cookie(headers));
        self.read(token.ok_or(Problem::Unsigned(Unsigned::Missing))?, now)
    }

    /// What a token grants.
    ///
    /// # Errors
    /// [`Problem::Unsigned`] for one that is expired or not ours.
    pub fn read(&self, token: &str, now: i64) -> Result<Grant, Problem> {
        token::read(token, &self.config.keys, now).map_err(Problem::Unsigned)
    }

    /// What a trusted proxy says; a header that cannot be read is refused rather than passed over.
    fn named_by_proxy(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Result<Grant, Problem>> {
        let value = headers.get(self.proxy_header.as_ref()?)?;
        if !self.is_proxy(peer) {
            return None;
        }
        let grant = value.to_str().ok().and_then(Grant::from_header);
        Some(grant.ok_or(Problem::Unsigned(Unsigned::Invalid)))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// The header that keeps a token in the browser until it expires.
///
/// `Lax`, for a link is mostly opened from a chat, and `Strict` would hide the cookie from just that request. `Secure`
/// wherever the browser came by TLS, which a proxy in front says.
#[must_use]
pub fn set_cookie(token: &str, grant: &Grant, now: i64, headers: &HeaderMap) -> String {
    let seconds = grant.expires_at.map_or(0, |expires_at| expires_at - now);
    let by_tls = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().starts_with(b"https"));
    let secure = if by_tls { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// The token of a link, if it carries one.
#[must_use]
pub fn token_of(uri: &Uri) -> Option<&str> {
    // A token is made of letters that need no encoding.
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='))
}

/// The same address without the token, relative to itself, so that it holds behind a proxy that maps a folder here.
#[must_use]
pub fn without_token(uri: &Uri) -> String {
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let field = pair.split_once('=').map_or(*pair, |(field, _)| field);
        field != PARAMETER && !field.is_empty()
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    if query.is_empty() { format!("./{name}") } else { format!("./{name}?{query}") }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::grant::Role;
    use super::*;
    use crate::board::view::Scope;

    const NOW: i64 = 1_795_329_135;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    fn access(keys: &[(&str, &str)]) -> Access {
        Access::new(Config {
            keys: keys.iter().map(|(id, secret)| ((*id).to_owned(), Secret::new(secret))).collect(),
            proxy_header: "x-board-scope".to_owned(),
            proxy_addresses: vec!["10.1.0.0/16".to_owned()],
            wall_names: false,
        })
    }

    fn manager() -> Grant {
        let scope = Scope::read("store:S1").unwrap();
        Grant { expires_at: Some(NOW + 60), ..Grant::new(Some("acme".to_owned()), scope, Role::Manager).unwrap() }
    }

    fn with_token(token: &str) -> HeaderMap {
        let cookie = HeaderValue::from_str(&format!("theme=dark; yinliu_board={token}")).unwrap();
        HeaderMap::from_iter([(header::COOKIE, cookie)])
    }

    fn identify(access: &Access, headers: &HeaderMap, peer: &str) -> Result<Grant, Problem> {
        access.identify(headers, peer.parse().unwrap(), NOW)
    }

    #[test]
    fn a_link_of_either_key_is_good_during_a_rotation_and_of_a_removed_key_no_longer() {
        let old = token::sign(&manager(), ("2026-10", &Secret::new(OTHER)), NOW - 10);
        let both = access(&[("2026-10", OTHER), ("2026-11", SECRET)]);
        assert_eq!(identify(&both, &with_token(&old), "192.0.2.1"), Ok(manager()));
        let rotated = access(&[("2026-11", SECRET)]);
        let refused = Err(Problem::Unsigned(Unsigned::Invalid));
        assert_eq!(identify(&rotated, &with_token(&old), "192.0.2.1"), refused);
    }

    #[test]
    fn a_header_counts_from_a_trusted_proxy_alone() {
        let value = HeaderValue::from_static("corp=acme&scope=region:R1&role=manager");
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-board-scope"), value)]);
        let access = access(&[("2026-11", SECRET)]);
        assert_eq!(identify(&access, &headers, "10.1.2.3").unwrap().scope.text(), "region:R1");
        assert_eq!(identify(&access, &headers, "::ffff:10.1.2.3").unwrap().scope.text(), "region:R1");
        assert_eq!(identify(&access, &headers, "10.2.2.3"), Err(Problem::Unsigned(Unsigned::Missing)));
        let mut forged = with_token(&token::sign(&manager(), ("2026-11", &Secret::new(SECRET)), NOW));
        forged.extend(headers);
        assert_eq!(identify(&access, &forged, "10.2.2.3"), Ok(manager()), "the token alone counts");
    }

    #[test]
    fn a_header_of_a_proxy_that_cannot_be_read_opens_nothing() {
        for value in ["", "role=owner", "scope=corp", "scope=store:S1&role=owner", "scope=corp&role=boss"] {
            let value = HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(HeaderName::from_static("x-board-scope"), value)]);
            let found = identify(&access(&[]), &headers, "10.1.2.3");
            assert_eq!(found, Err(Problem::Unsigned(Unsigned::Invalid)));
        }
    }

    #[test]
    fn without_keys_and_proxy_everything_is_shown() {
        let open = Access::new(Config::default());
        assert_eq!(identify(&open, &HeaderMap::new(), "127.0.0.1"), Ok(Grant::everything()));
    }

    #[test]
    fn a_token_leaves_the_address_and_the_rest_stays() {
        let check = |uri: &str, token: Option<&str>, rest: &str| {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!((token_of(&uri), without_token(&uri).as_str()), (token, rest));
        };
        check("/?token=a.b.c", Some("a.b.c"), "./");
        check("/me?day=2026-11-22&token=a.b.c&lang=en", Some("a.b.c"), "./me?day=2026-11-22&lang=en");
        check("/?tokens=1", None, "./?tokens=1");
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_ends_with_the_token() {
        let plain = set_cookie("t", &manager(), NOW, &HeaderMap::new());
        assert_eq!(plain, "yinliu_board=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
        let by_tls =
            HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"))]);
        assert!(set_cookie("t", &manager(), NOW, &by_tls).ends_with("; Secure"));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", access(&[("k", SECRET)])).contains(SECRET));
    }
}
