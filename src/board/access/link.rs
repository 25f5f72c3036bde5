//! `yinliu token`: a signed link to the board.
//!
//! Invariant: the key stays here; what is printed is the link alone.

use std::time::Duration;

use super::grant::{Grant, Role};
use super::token;
use crate::board::{self, view::Scope};

/// The newest key signs, unless another is named.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// What the link shows: `corp`, `region:ID`, `store:ID` or `staff:ID`
    #[arg(long, value_parser = scope)]
    scope: Scope,
    /// Who opens it: `owner` (of the corp), `manager` or `wall` (of a corp, region or store), `staff`
    #[arg(long, value_parser = role)]
    role: Role,
    /// How long it is good for, at most 366d
    #[arg(long, default_value = "30d", value_parser = expires)]
    expires: Duration,
    /// The tenant; by default `board.corp`, and where that is empty the only one of the database
    #[arg(long, value_name = "ID")]
    corp: Option<String>,
    /// The key that signs; by default the last of `board.access.keys` in order of their ids
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("sign the link: there is no key yet; set `board.access.keys.ID` to 32 or more random bytes as text")]
    NoKey,
    #[error("sign the link: there is no key `{id}` in `board.access.keys`")]
    UnknownKey { id: String },
}

/// A link that is kept longer than a year is a link that nobody remembers.
const EXPIRES_MAX: Duration = Duration::from_hours(366 * 24);

fn scope(text: &str) -> Result<Scope, String> {
    Scope::read(text).ok_or_else(|| "give `corp`, `region:ID`, `store:ID` or `staff:ID`".to_owned())
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| "give `owner`, `manager`, `staff` or `wall`".to_owned())
}

fn expires(text: &str) -> Result<Duration, String> {
    let span: jiff::Span = text.parse().map_err(|_| "give a duration such as `30d` or `12h`".to_owned())?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok();
    let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
    let fits = |duration: &Duration| (Duration::from_secs(1)..=EXPIRES_MAX).contains(duration);
    duration.filter(fits).ok_or_else(|| "give 1s to 366d".to_owned())
}

impl Settings {
    /// # Errors
    /// What is wrong with the wish, for the person at the keyboard: a role that does not go with the scope.
    pub fn check(&self) -> Result<(), String> {
        if Grant::new(None, self.scope.clone(), self.role).is_some() {
            return Ok(());
        }
        let levels: Vec<_> = self.role.levels().iter().map(|level| level.name()).collect();
        Err(format!("a link for `{}` needs a scope of level {}", self.role.name(), levels.join(" or ")))
    }
}

/// The link, good from `now` (seconds since the epoch) on.
pub fn run(settings: Settings, config: &board::Config, now: i64) -> Result<String, Error> {
    let keys = &config.access.keys;
    let key = match settings.key {
        None => keys.last_key_value().ok_or(Error::NoKey)?,
        Some(id) => keys.get_key_value(&id).ok_or(Error::UnknownKey { id })?,
    };
    let corp = settings.corp.or_else(|| Some(config.corp.clone()).filter(|corp| !corp.is_empty()));
    let expires_at = now.saturating_add(i64::try_from(settings.expires.as_secs()).unwrap_or(i64::MAX));
    let page = match settings.role {
        Role::Owner | Role::Manager => "",
        Role::Staff => "me",
        Role::Wall => "wall",
    };
    let Settings { scope, role, .. } = settings;
    let grant = Grant { corp, scope, role, expires_at: Some(expires_at), basis: super::grant::Basis::Signed };
    let token = token::sign(&grant, (key.0, key.1), now);
    let base = if config.url.is_empty() { format!("http://{}", config.listen) } else { config.url.clone() };
    Ok(format!("{}/{page}?{}={token}", base.trim_end_matches('/'), super::PARAMETER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::access::Secret;

    fn settings(scope: &str, role: Role) -> Settings {
        let scope = Scope::read(scope).unwrap();
        Settings { scope, role, expires: Duration::from_hours(24), corp: None, key: None }
    }

    fn config() -> board::Config {
        let mut config = board::Config { corp: "acme".to_owned(), ..board::Config::default() };
        for (id, letter) in [("2026-10", "a"), ("2026-11", "b")] {
            config.access.keys.insert(id.to_owned(), Secret::new(&letter.repeat(32)));
        }
        config
    }

    #[test]
    fn a_link_is_signed_by_the_newest_key_and_leads_to_the_page_of_its_role() {
        let config = config();
        let link = run(settings("store:S1", Role::Manager), &config, 1_000).unwrap();
        let token = link.strip_prefix("http://127.0.0.1:8080/?token=").unwrap();
        let newest = config.access.keys.iter().skip(1).map(|(id, key)| (id.clone(), key.clone())).collect();
        let grant = token::read(token, &newest, 1_000).unwrap();
        assert_eq!((grant.corp.as_deref(), grant.scope.text().as_str()), (Some("acme"), "store:S1"));
        assert_eq!(grant.expires_at, Some(1_000 + 86_400));
        let config = board::Config { url: "https://board.example/live/".to_owned(), ..config };
        assert!(
            run(settings("staff:z", Role::Staff), &config, 1).unwrap().starts_with("https://board.example/live/me?")
        );
    }

    #[test]
    fn a_link_needs_a_key() {
        let none = run(settings("corp", Role::Owner), &board::Config::default(), 1);
        assert!(matches!(none, Err(Error::NoKey)));
        let other = Settings { key: Some("x".to_owned()), ..settings("corp", Role::Owner) };
        assert!(matches!(run(other, &config(), 1), Err(Error::UnknownKey { .. })));
    }

    #[test]
    fn a_role_goes_with_its_scopes_and_a_duration_has_an_end() {
        assert!(settings("store:S1", Role::Owner).check().is_err());
        assert!(settings("store:S1", Role::Staff).check().is_err());
        assert!(settings("staff:z", Role::Wall).check().is_err());
        assert!(settings("region:R", Role::Wall).check().is_ok());
        assert_eq!(expires("30d"), Ok(Duration::from_hours(30 * 24)));
        for text in ["0s", "-1d", "400d", "soon", "1 month"] {
            assert!(expires(text).is_err(), "{text}");
        }
    }
}
