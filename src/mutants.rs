//! Planted bugs, by which the simulation itself is tested.
//!
//! Invariant: without the feature `mutants` there is none, and `planted!` is `false` to the compiler; with it at most
//! one is on.

#[cfg(feature = "mutants")]
mod on {
    use std::sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::time::Instant;

    use crate::event::named;

    named! {
        /// The bugs, each by what the program then does.
        Mutant {
            LedgerFirst = "writes the ledger before the rows that it vouches for",
            CommittedFirst = "commits before the ledger is written",
            RegistersBeforeFacts = "writes registers before facts",
            GuardOffByOne = "takes the first event behind the high water for one that is in the row",
            VersionTooHigh = "gives rows a high water one too high",
            HighWaterForgotten = "forgets the high water of loaded rows at the first flush",
            LoadWithoutSync = "loads from a replica that lags",
            OpenChunkNotLoaded = "does not load the open chunk by day",
            WarmUpSkipped = "does not read the horizon before the position",
            FactIgnored = "decides anew about a record that has a fact",
            UnreadNotAdopted = "passes over facts of records that retention took",
            DedupByWallClock = "measures the span of duplicates by its own clock",
            HorizonShort = "forgets a record one offset too early",
            DuplicateTalliedTwice = "enters a duplicate twice",
            TallyCarriedOver = "carries the tally over into the next chunk",
            PlacesForgotten = "forgets the places of a day's chunk with that of its minutes",
            DirectoryNotAwaited = "counts before the directory is read far enough",
            DelayIgnored = "lets a change of the directory hold at once",
            BatchDroppedOnError = "goes on with the ledger after an insert that failed",
            LastWindowDropped = "leaves out the rows of the last flush",
            RevokedRowsDropped = "leaves out the rows of a partition that was taken away",
            EpochNotChecked = "writes batches from before a restore",
            RestoreUnnoticed = "does not notice that the warehouse was restored",
            ProgressKept = "tells freshness from before a restore",
            TrustedAfterError = "trusts after an error what was acknowledged before it",
            OlderEntryWins = "lets a ledger row that is less far take the place of a further one",
            RecreatedUnnoticed = "takes a recreated topic for the one that was counted",
            IncarnationIgnored = "counts an adopted topic under the name of the former one",
            EvictionForgotten = "keeps identities that have left the horizon",
            FullBatchReadOn = "reads on though the batch is full",
            LimitIgnored = "reads on though partitions take more than the limit of memory",
            ZerosForgotten = "leaves out of a correction the registers that become zeros",
            GenerationUsedAgain = "corrects with a generation that was used",
            LastDeliveryCounts = "takes out the first delivery of an event and leaves the last",
            OpenChunksCorrected = "corrects chunks that the pipeline still writes",
            MinutesForgotten = "corrects registers by day alone",
            LedgerNotEntered = "does not enter what was corrected",
            ToldAnew = "tells of a correction under another name each time",
            ToldAfterwards = "tells of a correction after it was made",
            LetterNotAwaited = "enters a refused record whose letter has not arrived",
        }
    }

    static PLANTED: AtomicUsize = AtomicUsize::new(usize::MAX);

    /// Plants this bug in place of the one before.
    pub fn plant(mutant: Option<Mutant>) {
        PLANTED.store(mutant.map_or(usize::MAX, Mutant::index), Ordering::Relaxed);
    }

    impl Mutant {
        /// Whether it is planted now.
        #[must_use]
        pub fn is_planted(self) -> bool {
            PLANTED.load(Ordering::Relaxed) == self.index()
        }
    }

    /// A clock for the bug that needs one; milliseconds.
    #[must_use]
    pub fn clock_ms() -> i64 {
        static SINCE: OnceLock<Instant> = OnceLock::new();
        i64::try_from(SINCE.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(feature = "mutants")]
pub use on::{Mutant, clock_ms, plant};

/// Whether the bug of this name is planted.
#[cfg(feature = "mutants")]
macro_rules! planted {
    ($mutant:ident) => {
        $crate::mutants::Mutant::$mutant.is_planted()
    };
}

/// Whether the bug of this name is planted: never.
#[cfg(not(feature = "mutants"))]
macro_rules! planted {
    ($mutant:ident) => {
        false
    };
}

pub(crate) use planted;
