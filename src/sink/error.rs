//! What went wrong in ClickHouse, and whether the same request may succeed later.
//!
//! Invariant: an error of an unknown kind is worth another try; only what a person must mend is final.

use crate::event::named;

named! {
    /// The classes of errors after which the same rows are sent again.
    Class {
        Network = "network",
        Timeout = "timeout",
        TooManyParts = "too_many_parts",
        Memory = "memory",
        Readonly = "readonly",
        Other = "other",
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The same request may succeed later.
    #[error("{doing}")]
    Retry {
        doing: &'static str,
        class: Class,
        #[source]
        source: clickhouse::error::Error,
    },
    /// It will not, until someone mends what is wrong.
    #[error("{doing}; {remedy}")]
    Final {
        doing: &'static str,
        remedy: &'static str,
        #[source]
        source: clickhouse::error::Error,
    },
}

impl Error {
    /// Whether the server that answers next may be another one; a server that says what it lacks is the same.
    #[must_use]
    pub const fn may_be_replaced(&self) -> bool {
        match self {
            Self::Retry { class: Class::Network | Class::Timeout | Class::Other, .. } => true,
            Self::Retry { class: Class::TooManyParts | Class::Memory | Class::Readonly, .. } | Self::Final { .. } => {
                false
            }
        }
    }

    pub(crate) fn new(doing: &'static str, source: clickhouse::error::Error) -> Self {
        match kind(&source) {
            Kind::Retry(class) => Self::Retry { doing, class, source },
            Kind::Final(remedy) => Self::Final { doing, remedy, source },
        }
    }

    /// Of a request that carries rows: a text of ClickHouse that no reaction is known for may quote them, and is told by its
    /// name alone.
    pub(crate) fn of_rows(doing: &'static str, source: clickhouse::error::Error) -> Self {
        match &source {
            clickhouse::error::Error::BadResponse(text)
                if code(text).is_some() && kind(&source) == Kind::Retry(Class::Other) =>
            {
                Self::unquoted(doing, source)
            }
            _ => Self::new(doing, source),
        }
    }

    /// Without the words of ClickHouse, which may quote the statement and its rows: its number and name.
    pub(crate) fn unquoted(doing: &'static str, source: clickhouse::error::Error) -> Self {
        let source = match source {
            clickhouse::error::Error::BadResponse(text) => clickhouse::error::Error::BadResponse(name(&text)),
            source => source,
        };
        Self::new(doing, source)
    }
}

/// `Code: 60. UNKNOWN_TABLE` of what ClickHouse says.
fn name(text: &str) -> String {
    let number = code(text).unwrap_or_default();
    let is_name = |word: &&str| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let name = text.split(['(', ')']).rfind(is_name).unwrap_or("an error without a name");
    format!("Code: {number}. {name} (its text may quote rows, and stands in system.query_log)")
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Retry(Class),
    Final(&'static str),
}

fn kind(error: &clickhouse::error::Error) -> Kind {
    use clickhouse::error::Error as E;
    match error {
        E::Network(_) | E::Other(_) | E::Decompression(_) => Kind::Retry(Class::Network),
        E::TimedOut => Kind::Retry(Class::Timeout),
        E::BadResponse(text) => code(text).map_or(Kind::Retry(Class::Other), kind_of_code),
        E::SchemaMismatch(_) | E::InvalidColumnsHeader(_) => Kind::Final(MIGRATE),
        _ => Kind::Retry(Class::Other),
    }
}

/// The number in `Code: 60. DB::Exception: …`.
fn code(text: &str) -> Option<u32> {
    let digits = text.split_once("Code: ")?.1;
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

const MIGRATE: &str = "run `yinliu migrate`: the schema is missing or another version's";
const CREDENTIALS: &str = "check `clickhouse.user`, `clickhouse.password` and the grants of this user";

/// Numbers from ClickHouse's `ErrorCodes.cpp`.
fn kind_of_code(code: u32) -> Kind {
    match code {
        // Unknown column, identifier, table, database; wrong types or data for the columns.
        16 | 47 | 60 | 81 | 8 | 10 | 20 | 44 | 53 | 62 => Kind::Final(MIGRATE),
        // Unknown user, wrong password, authentication failed, access denied.
        192..=194 | 497 | 516 => Kind::Final(CREDENTIALS),
        164 => Kind::Final("give the user a profile that is not `readonly`"),
        201 => Kind::Final("raise the quota of this user: it was exceeded"),
        115 => Kind::Final("use ClickHouse 24.8 or later: it does not know a setting"),
        252 => Kind::Retry(Class::TooManyParts),
        241 => Kind::Retry(Class::Memory),
        242 | 243 => Kind::Retry(Class::Readonly),
        159 | 160 => Kind::Retry(Class::Timeout),
        209 | 210 | 279 => Kind::Retry(Class::Network),
        _ => Kind::Retry(Class::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Kind) {
        assert_eq!(kind(&clickhouse::error::Error::BadResponse(text.to_owned())), *expected, "{text}");
    }

    #[test]
    fn error_is_told_by_its_number_and_name_where_its_text_may_quote_rows() {
        let said = |text: &str| {
            let error = Error::of_rows("insert rows", clickhouse::error::Error::BadResponse(text.to_owned()));
            std::error::Error::source(&error).unwrap().to_string()
        };
        let quoting = "Code: 469. DB::Exception: Constraint `c` is violated. Column values: customer_id = 'HE_SAID (IT)'. \
                       (VIOLATED_CONSTRAINT) (version 26.3.1.1 (official build))";
        let told = said(quoting);
        assert!(told.contains("Code: 469. VIOLATED_CONSTRAINT") && !told.contains("IT)"), "{told}");
        let known = "Code: 252. DB::Exception: Too many parts (3000). (TOO_MANY_PARTS)";
        assert!(said(known).contains(known), "what to do about it stands there");
        assert!(said("<html>502 Bad Gateway</html>").contains("502"), "not of ClickHouse");
    }

    #[test]
    fn error_without_words_is_of_the_same_kind() {
        let text = "Code: 60. DB::Exception: Unknown table expression identifier 'facts' in scope SELECT count() FROM facts \
                    WHERE customer_id = 'somebody'. (UNKNOWN_TABLE) (version 26.7.1)";
        let error = Error::unquoted("count", clickhouse::error::Error::BadResponse(text.to_owned()));
        let told = crate::log::chain(&error);
        assert!(told.contains("60") && told.contains("UNKNOWN_TABLE") && !told.contains("somebody"), "{told}");
        assert!(matches!(error, Error::Final { .. }), "{told}");
        let text = "<html>502: DELETE WHERE customer_id = 'somebody'</html>";
        let error = Error::unquoted("count", clickhouse::error::Error::BadResponse(text.to_owned()));
        assert!(!crate::log::chain(&error).contains("somebody"), "{error:?}");
    }

    #[test]
    fn errors_are_classed_by_their_code() {
        check("Code: 60. DB::Exception: Unknown table", &Kind::Final(MIGRATE));
        check("Code: 516. DB::Exception: Authentication failed", &Kind::Final(CREDENTIALS));
        check("Code: 252. DB::Exception: Too many parts", &Kind::Retry(Class::TooManyParts));
        check("Code: 241. DB::Exception: Memory limit", &Kind::Retry(Class::Memory));
        check("Code: 242. DB::Exception: Table is in readonly mode", &Kind::Retry(Class::Readonly));
        check("Code: 9999. DB::Exception: new", &Kind::Retry(Class::Other));
        check("<html>502 Bad Gateway</html>", &Kind::Retry(Class::Other));
    }
}
