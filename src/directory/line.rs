//! A row as a line of a file: which line it is, what it says, and what withdraws it.
//!
//! Invariant: pure; two lines say the same if their content is equal, whenever each was published.

use super::row::{ChannelRow, Contest, Cost, Kind, Official, OrgRow, Publication, Reference, Target};

impl Kind {
    /// The columns whose values make [`Reference::line`].
    #[must_use]
    pub const fn line(self) -> &'static [&'static str] {
        match self {
            Self::Org => &["corp_id", "staff_id"],
            Self::Channel => &["corp_id", "state"],
            Self::Target => &["corp_id", "level", "id", "business_date", "metric"],
            Self::Contest => &["corp_id", "contest_id"],
            Self::Cost => &["corp_id", "business_date", "channel", "campaign_id"],
            Self::Official => &["corp_id", "business_date", "staff_id"],
        }
    }
}

impl Reference {
    #[must_use]
    pub const fn publication(&self) -> Publication {
        match self {
            Self::Org(row) => row.publication,
            Self::Channel(row) => row.publication,
            Self::Target(row) => row.publication,
            Self::Contest(row) => row.publication,
            Self::Cost(row) => row.publication,
            Self::Official(row) => row.publication,
        }
    }

    /// What is said, whenever it was published.
    #[must_use]
    pub fn content(&self) -> Self {
        let mut content = self.clone();
        let publication = match &mut content {
            Self::Org(row) => {
                // Where none was given.
                if row.valid_from == row.publication.at {
                    row.valid_from = i64::MIN;
                }
                &mut row.publication
            }
            Self::Channel(row) => &mut row.publication,
            Self::Target(row) => &mut row.publication,
            Self::Contest(row) => &mut row.publication,
            Self::Cost(row) => &mut row.publication,
            Self::Official(row) => &mut row.publication,
        };
        *publication = Publication::default();
        content
    }

    /// What tells the row from others of a file: the key of the topic, and of a target the metric, for a file gives several.
    #[must_use]
    pub fn line(&self) -> String {
        let parts: &[&str] = match self {
            Self::Org(row) => &[&row.corp_id, &row.staff_id],
            Self::Channel(row) => &[&row.corp_id, &row.state],
            Self::Target(row) => &[&row.corp_id, &row.level, &row.id, &row.business_date, &row.metric],
            Self::Contest(row) => &[&row.corp_id, &row.contest_id],
            Self::Cost(row) => &[&row.corp_id, &row.business_date, &row.channel, &row.campaign_id],
            Self::Official(row) => &[&row.corp_id, &row.business_date, &row.staff_id],
        };
        parts.join("/")
    }

    /// The row that withdraws this one alone: of a target its metric, where the topic's withdraws all of the day.
    #[must_use]
    pub fn withdrawal(&self, publication: Publication) -> Self {
        let removed = true;
        match self.clone() {
            Self::Org(OrgRow { corp_id, staff_id, .. }) => {
                let valid_from = publication.at;
                Self::Org(OrgRow { publication, removed, corp_id, staff_id, valid_from, ..OrgRow::default() })
            }
            Self::Channel(ChannelRow { corp_id, state, .. }) => {
                Self::Channel(ChannelRow { publication, removed, corp_id, state, ..ChannelRow::default() })
            }
            Self::Target(row) => Self::Target(Target { publication, removed, target: 0, ..row }),
            Self::Contest(Contest { corp_id, contest_id, .. }) => {
                Self::Contest(Contest { publication, removed, corp_id, contest_id, ..Contest::default() })
            }
            Self::Cost(row) => Self::Cost(Cost { publication, removed, cost_fen: 0, ..row }),
            Self::Official(Official { corp_id, business_date, staff_id, .. }) => Self::Official(Official {
                publication,
                removed,
                corp_id,
                business_date,
                staff_id,
                ..Official::default()
            }),
        }
    }
}
