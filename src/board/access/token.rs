//! Tokens: JSON Web Tokens (RFC 7519) of one form, signed with HMAC-SHA256 (`HS256`).
//!
//! Invariant: pure; a token is read only after its signature was found good, and it always expires.
//!
//! Why not a library of such tokens: known attacks on them go through what a library can do beyond this one form, such
//! as other algorithms and tokens without an expiry. What is left is a page of code over the HMAC of `ring`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::Secret;
use super::grant::{Grant, Role};
use crate::board::problem::Unsigned;
use crate::board::view::Scope;

const ALGORITHM: &str = "HS256";
/// Ours have about 300 bytes; ids of the largest sizes stay below this too.
const TOKEN_BYTES_MAX: usize = 1_024;

#[derive(Deserialize, Serialize)]
struct Header {
    alg: String,
    typ: String,
    /// Id of the key.
    kid: String,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    corp: Option<String>,
    scope: String,
    role: String,
    /// Seconds since the epoch.
    iat: i64,
    exp: i64,
}

/// The token of a grant, which expires with it (at once where the grant does not say).
#[must_use]
pub fn sign(grant: &Grant, (id, secret): (&str, &Secret), issued_at: i64) -> String {
    let header = Header { alg: ALGORITHM.to_owned(), typ: "JWT".to_owned(), kid: id.to_owned() };
    let claims = Claims {
        corp: grant.corp.clone(),
        scope: grant.scope.text(),
        role: grant.role.name().to_owned(),
        iat: issued_at,
        exp: grant.expires_at.unwrap_or(issued_at),
    };
    let part = |json: serde_json::Value| BASE64.encode(json.to_string());
    let signed = format!("{}.{}", part(serde_json::json!(header)), part(serde_json::json!(claims)));
    let signature = hmac::sign(&key(secret), signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(signature))
}

/// What a token grants at `now`, in seconds since the epoch.
///
/// # Errors
/// Why it grants nothing. Whoever holds no key learns only that the token is not valid.
pub fn read(token: &str, keys: &BTreeMap<String, Secret>, now: i64) -> Result<Grant, Unsigned> {
    let claims = verified(token, keys).ok_or(Unsigned::Invalid)?;
    if claims.exp <= now {
        return Err(Unsigned::Expired);
    }
    let (scope, role) = (Scope::read(&claims.scope), Role::from_name(&claims.role));
    let grant = scope.zip(role).and_then(|(scope, role)| Grant::new(claims.corp, scope, role));
    grant.map(|grant| Grant { expires_at: Some(claims.exp), ..grant }).ok_or(Unsigned::Invalid)
}

/// The claims of a token that one of our keys has signed.
fn verified(token: &str, keys: &BTreeMap<String, Secret>) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&BASE64.decode(header).ok()?).ok()?;
    let secret = keys.get(&header.kid).filter(|_| header.alg == ALGORITHM)?;
    hmac::verify(&key(secret), signed.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
    serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_329_135;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn keys() -> BTreeMap<String, Secret> {
        BTreeMap::from([("k1".to_owned(), Secret::new(SECRET))])
    }

    fn grant(expires_at: i64) -> Grant {
        let scope = Scope::read("store:S1001").unwrap();
        Grant { expires_at: Some(expires_at), ..Grant::new(Some("acme".to_owned()), scope, Role::Manager).unwrap() }
    }

    fn signed(id: &str, secret: &str) -> String {
        sign(&grant(NOW + 60), (id, &Secret::new(secret)), NOW)
    }

    #[test]
    fn a_token_reads_as_what_was_signed() {
        assert_eq!(read(&signed("k1", SECRET), &keys(), NOW), Ok(grant(NOW + 60)));
    }

    #[test]
    fn a_token_expires_at_its_second() {
        let token = signed("k1", SECRET);
        assert!(read(&token, &keys(), NOW + 59).is_ok());
        assert_eq!(read(&token, &keys(), NOW + 60), Err(Unsigned::Expired));
    }

    #[test]
    fn another_key_or_id_is_refused() {
        let other = "fedcba9876543210fedcba9876543210";
        assert_eq!(read(&signed("k1", other), &keys(), NOW), Err(Unsigned::Invalid));
        assert_eq!(read(&signed("k2", SECRET), &keys(), NOW), Err(Unsigned::Invalid));
        assert_eq!(read(&signed("k1", SECRET), &BTreeMap::new(), NOW), Err(Unsigned::Invalid));
    }

    #[test]
    fn a_changed_token_is_refused_wherever_it_was_changed() {
        let token = signed("k1", SECRET);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(read(&changed, &keys(), NOW), Err(Unsigned::Invalid), "byte {at}");
        }
    }

    #[test]
    fn a_token_of_another_algorithm_or_of_none_is_refused() {
        let claims = signed("k1", SECRET).split('.').nth(1).unwrap().to_owned();
        for alg in ["none", "HS384", "hs256"] {
            let header = BASE64.encode(format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"k1"}}"#));
            let tag = hmac::sign(&key(&Secret::new(SECRET)), format!("{header}.{claims}").as_bytes());
            for signature in [String::new(), BASE64.encode(tag)] {
                let token = format!("{header}.{claims}.{signature}");
                assert_eq!(read(&token, &keys(), NOW), Err(Unsigned::Invalid), "{alg}");
            }
        }
        for text in ["", ".", "..", "a.b.c", &"a".repeat(5_000)] {
            assert_eq!(read(text, &keys(), NOW), Err(Unsigned::Invalid));
        }
    }
}
