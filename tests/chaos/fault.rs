//! The kinds of faults, and the seeded order in which they come.
//!
//! Invariant: every kind comes once before any comes twice; after that the cheap ones come more often.

use std::{collections::VecDeque, time::Duration};

use rand::{Rng as _, rngs::SmallRng, seq::SliceRandom as _};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Kill,
    Freeze,
    Terminate,
    Join,
    Leave,
    OffsetsToEarliest,
    OffsetsToLatest,
    ClockJump,
    EngineKill,
    DiskFull,
    Refuse,
    Hang,
    Slow,
    ErrorByCode,
    Unacknowledged,
    LateInsert,
    CutAnswer,
    BrokerKill,
    MorePartitions,
}

/// What a fault strikes; two at once strike two different parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Process,
    Clock,
    Engine,
    Wire,
    Broker,
}

impl Kind {
    pub(crate) const ALL: [Self; 19] = [
        Self::Kill,
        Self::Freeze,
        Self::Terminate,
        Self::Join,
        Self::Leave,
        Self::OffsetsToEarliest,
        Self::OffsetsToLatest,
        Self::ClockJump,
        Self::EngineKill,
        Self::DiskFull,
        Self::Refuse,
        Self::Hang,
        Self::Slow,
        Self::ErrorByCode,
        Self::Unacknowledged,
        Self::LateInsert,
        Self::CutAnswer,
        Self::BrokerKill,
        Self::MorePartitions,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "yinliu: kill -9",
            Self::Freeze => "yinliu: SIGSTOP beyond its session, SIGCONT",
            Self::Terminate => "yinliu: SIGTERM, start",
            Self::Join => "yinliu: another joins",
            Self::Leave => "yinliu: one leaves",
            Self::OffsetsToEarliest => "all stopped, group offsets to earliest",
            Self::OffsetsToLatest => "all stopped, group offsets to latest",
            Self::ClockJump => "yinliu: clock jumps, and back",
            Self::EngineKill => "ClickHouse: kill -9",
            Self::DiskFull => "ClickHouse: disk full, start",
            Self::Refuse => "ClickHouse: refuses connections",
            Self::Hang => "ClickHouse: hangs",
            Self::Slow => "ClickHouse: slow",
            Self::ErrorByCode => "ClickHouse: errors by code",
            Self::Unacknowledged => "ClickHouse: inserts, acknowledges nothing",
            Self::LateInsert => "ClickHouse: inserts after the sender gave up",
            Self::CutAnswer => "ClickHouse: answers end in the middle",
            Self::BrokerKill => "Kafka: kill -9",
            Self::MorePartitions => "Kafka: a topic gains a partition",
        }
    }

    pub(crate) const fn part(self) -> Part {
        match self {
            Self::Kill
            | Self::Freeze
            | Self::Terminate
            | Self::Join
            | Self::Leave
            | Self::OffsetsToEarliest
            | Self::OffsetsToLatest => Part::Process,
            Self::ClockJump => Part::Clock,
            Self::EngineKill | Self::DiskFull => Part::Engine,
            Self::Refuse
            | Self::Hang
            | Self::Slow
            | Self::ErrorByCode
            | Self::Unacknowledged
            | Self::LateInsert
            | Self::CutAnswer => Part::Wire,
            Self::BrokerKill | Self::MorePartitions => Part::Broker,
        }
    }

    /// How often it comes: a broker takes ten seconds to start, and topics stay small.
    const fn weight(self) -> usize {
        match self {
            Self::BrokerKill | Self::MorePartitions | Self::OffsetsToEarliest | Self::OffsetsToLatest => 1,
            Self::Join | Self::Leave | Self::Terminate | Self::Freeze | Self::Hang | Self::DiskFull => 2,
            Self::ClockJump | Self::EngineKill | Self::Refuse | Self::Slow | Self::CutAnswer => 3,
            Self::ErrorByCode | Self::Unacknowledged | Self::LateInsert => 4,
            Self::Kill => 6,
        }
    }

    fn lasts(self, dice: &mut SmallRng) -> Duration {
        let (from, to) = match self {
            // The session ends after 2 s.
            Self::Freeze => (2_500, 4_000),
            Self::Join | Self::Leave | Self::MorePartitions => (0, 1),
            // An insert that had its room before gets it.
            Self::DiskFull => (1_500, 3_000),
            _ => (100, 2_500),
        };
        Duration::from_millis(dice.random_range(from..to))
    }
}

/// One fault of a round: when it begins and when it ends, from the begin of the round on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) begins: Duration,
    pub(crate) ends: Duration,
}

/// Kinds in a shuffled order, again and again.
#[derive(Debug, Default)]
pub(crate) struct Deck {
    cards: VecDeque<Kind>,
    dealt: bool,
}

impl Deck {
    /// One fault, or up to three that overlap.
    pub(crate) fn round(&mut self, dice: &mut SmallRng) -> Vec<Fault> {
        // Most come alone, so that the time which each costs is known.
        let most = if dice.random_bool(0.6) { 1 } else { dice.random_range(2..=3) };
        let mut faults: Vec<Fault> = Vec::new();
        while faults.len() < most {
            let kind = self.top(dice);
            if faults.iter().any(|fault| fault.kind.part() == kind.part()) {
                break;
            }
            self.cards.pop_front();
            let begins = if faults.is_empty() { 0 } else { dice.random_range(0..1_000) };
            let begins = Duration::from_millis(begins);
            faults.push(Fault { kind, begins, ends: begins + kind.lasts(dice) });
        }
        faults
    }

    fn top(&mut self, dice: &mut SmallRng) -> Kind {
        if self.cards.is_empty() {
            let times = |kind: Kind| if self.dealt { kind.weight() } else { 1 };
            let mut cards: Vec<_> = Kind::ALL.iter().flat_map(|&kind| vec![kind; times(kind)]).collect();
            cards.shuffle(dice);
            self.cards = cards.into();
            self.dealt = true;
        }
        self.cards[0]
    }
}
