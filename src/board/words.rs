//! The words of the page in Chinese and English.
//!
//! Invariant: one table for server and browser; `{}` stands where a value goes.

use super::view::Language;

macro_rules! words {
    ($($word:ident = $key:literal, $zh:literal, $en:literal;)+) => {
        /// A word or sentence of the page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Word { $($word),+ }

        impl Word {
            const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The text in a language.
            #[must_use]
            pub const fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$word, Language::Zh) => $zh, (Self::$word, Language::En) => $en,)+
                }
            }

            /// The name by which the browser and the templates find it.
            const fn key(self) -> &'static str {
                match self { $(Self::$word => $key),+ }
            }

            /// The word of a key.
            #[must_use]
            pub fn from_key(key: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.key() == key)
            }
        }
    };
}

words! {
    Title = "title", "引流 加粉看板", "yinliu: friend adds";
    Today = "today", "今日加粉", "Adds today";
    OnDay = "on_day", "当日加粉", "Adds";
    TodayShort = "today_short", "今日", "Today";
    ThisDay = "this_day", "当日", "That day";
    AtLeast = "at_least", "，至少", ", at least";
    CompleteThrough = "complete_through", "数据完整至", "Complete through";
    CompleteOnly = "complete_only", "数据只完整到", "Complete only through";
    CompleteAt = "complete_at", "完整至 {}", "complete {}";
    SecondsBehind = "seconds_behind", "慢 {} 秒", "{} s behind";
    MinutesBehind = "minutes_behind", "已 {} 分 {} 秒", "{} min {} s ago";
    StaleWords = "stale", "之后只到了一部分。同比、预计和名次升降等数据恢复。", "Only part of what came later is in. Comparisons, forecast and moves are held.";
    OfflineWords = "offline", "连不上服务器，正在重连。显示的是上次收到的数字。", "No connection; reconnecting. These are the last figures received.";
    LiveWords = "live", "数据正常", "Data is live";
    BehindWords = "behind", "数据稍慢", "Data is a little behind";
    EmptyDay = "empty_day", "今天还没有加粉", "No adds today yet";
    EmptyPast = "empty_past", "这一天没有加粉", "No adds on this day";
    Never = "never", "还没有收到任何数据。", "No data has arrived yet.";
    Flowing = "flowing", "数据是通的：完整至 {}。", "Data is flowing: complete through {}.";
    FlowingBefore = "flowing_before", "数据是通的：完整至 {}，{} 是 {} 个。", "Data is flowing: complete through {}; {} stood at {}.";
    NoFigures = "no_figures", "数据库暂时没有回答，所以还没有数字。这一页会自己填上。", "The database does not answer at the moment, so there are no figures yet. This page fills itself.";
    Loading = "loading", "正在取数", "Loading";
    Yesterday = "yesterday", "昨日", "Yesterday";
    DayBefore = "day_before", "前一日", "Day before";
    Was = "was", " 是 ", ": ";
    LastWeekday = "last_weekday", "上{}", "Last {}";
    YesterdayAt = "yesterday_at", "昨日 {}", "yesterday at {}";
    DayBeforeAt = "day_before_at", "前一日 {}", "the day before at {}";
    LastWeekdayAt = "last_weekday_at", "上{} {}", "last {} at {}";
    Held = "held", "等数据恢复", "held";
    Uncounted = "uncounted", "当天未完整统计", "not fully counted";
    More = "more", "多 {}", "+{}";
    Fewer = "fewer", "少 {}", "−{}";
    Level = "level", "持平", "same";
    MoreThan = "more_than", "比{} 多 {}", "{} more than {}";
    FewerThan = "fewer_than", "比{} 少 {}", "{} fewer than {}";
    SameAs = "same_as", "与{} 持平", "same as {}";
    SameMoment = "same_moment", "与同一时刻相比", "Against the same minute";
    Against = "against", "竖线和多、少与{} 比。", " Tick and ± are against {}.";
    ChannelsAddUp = "channels_add_up", "未归因也算在合计里，各渠道相加一定等于加粉。", "Unattributed is part of the total: channels always add up to adds.";
    NetAdds = "net_adds", "净增", "Net";
    Lost = "lost", "流失", "lost";
    Qualified = "qualified", "有效", "Qualified";
    FinalAfterDay = "final_after_day", "满 24 小时定数", "final after 24 h";
    Final = "final", "已定数", "final";
    Opened = "opened", "当日开口", "Opened";
    ShareOfAdds = "share_of_adds", "占加粉 {}", "{} of adds";
    NotKnown = "not_known", "这项还没有数据", "not available yet";
    Provisional = "provisional", "暂", "prov.";
    ProvisionalWord = "provisional_word", "（暂定）", " (provisional)";
    FinalWord = "final_word", "（已定）", " (final)";
    ProvisionalSays = "provisional_says", "暂定：满 24 小时后定数", "provisional until 24 h have passed";
    ProvisionalInTable = "provisional_in_table", "暂定", "provisional";
    EstimateWord = "estimate_word", "估计", "estimate";
    RevisedWord = "revised_word", "改过", "revised";
    CompleteWord = "complete_word", "完整", "complete";
    Estimate = "estimate", "估", "est.";
    Revised = "revised", "改", "rev.";
    SealHeld = "seal_held", "停", "held";
    Target = "target", "目标", "Target";
    Done = "done", "，完成 ", ", done ";
    Progress = "progress", "完成", "done";
    NoTarget = "no_target", "这一天没有设目标。", "No target is set for this day.";
    Forecast = "forecast", "预计全天", "Forecast";
    ForecastAdds = "forecast_adds", "预计全天加粉", "Forecast of adds";
    OfMetric = "of_metric", "（{}）", " ({})";
    ToGo = "to_go", "还差 ", "To go ";
    NoForecast = "no_forecast", "{}：— {}", "{}: — {}";
    Usual = "usual", "平时此刻 {}%，", "usual by now {}%, ";
    NoUsual = "no_usual", "{}，不比进度", "no pace: {}";
    WhyPerson = "why_person", "一个人的一天太小", "the day of one person is too small";
    WhyOver = "why_over", "这一天已经结束", "the day is over";
    WhyUnread = "why_unread", "往日数据还没读到", "earlier days are not read yet";
    WhyFewDays = "why_few_days", "历史不足", "too little history";
    WhyNoAdds = "why_no_adds", "还没有加粉", "no adds yet";
    WhyTooEarly = "why_too_early", "还不到平时的两成", "less than a fifth of a usual day";
    Ahead = "ahead", "快 {} 个百分点", "{} pts ahead";
    Behindhand = "behindhand", "慢 {} 个百分点", "{} pts behind";
    Attention = "attention", "要留意", "Needs attention";
    NothingToDo = "nothing_to_do", "现在没有要人处理的事。", "Nothing needs anybody now.";
    HeldToDo = "held_to_do", "等数据恢复后再看。", "Held until the data are complete again.";
    NotJudgedPassRate = "not_judged_pass_rate", "申请太少（{}/{}），暂不判断通过率。", "Too few requests ({}/{}) to judge acceptance.";
    NotJudgedLoss = "not_judged_loss", "群发后流失还不能判断：前 30 天满 24 小时的群发只有 {} 次，要 {} 次。", "Losses after broadcasts are not judged: {} broadcasts of the 30 days before, {} are needed.";
    NotJudgedZero = "not_judged_zero", "没有加粉的地方还不能判断：同星期的往日只有 {} 天，要 {} 天。", "Places without adds are not judged: {} like weekdays known, {} are needed.";
    SilentFor = "silent_for", "{} {}没有加粉", "{} silent for {}";
    SilentUsual = "silent_usual", "平时间隔不超过 {}；最后一个 {}", "usually within {}; last at {}";
    FewPassed = "few_passed", "{}：发出 {} 个申请，只通过 {} 个", "{}: {} sent, {} accepted";
    PassUsual = "pass_usual", "{}，平时此刻 {}", "{}, usually {} by now";
    LeftAfter = "left_after", "{}：群发后流失 {} 人", "{}: {} left after a broadcast";
    LossUsual = "loss_usual", "{} 群发 {} 人，流失 {}，平时 {}", "{} to {}; {} left, usually {}";
    NoAdds = "no_adds", "{}：今天还没有加粉", "{}: no adds today";
    UsualBy = "usual_by", "平时此刻 {} 个", "usually {} by now";
    Leaderboard = "leaderboard", "榜单", "Leaderboard";
    AllRanks = "all_ranks", "榜单", "All ranks";
    Region = "region", "大区", "Regions";
    OtherRegions = "other_regions", "其他 {} 个大区", "{} other regions";
    Store = "store", "门店", "Stores";
    Staff = "staff", "员工", "Staff";
    StoresShort = "stores_short", "店", "stores";
    Adds = "adds", "加粉", "Adds";
    Total = "total", "总数", "Total";
    PerHead = "per_head", "人均", "Per head";
    OfTarget = "of_target", "达成率", "% of target";
    WithoutAdds = "without_adds", "0 加粉", "0 adds";
    Metrics = "metrics", "按什么排", "Ranked by";
    RowHeads = "row_heads", "{} 人，人均 {}", "{} staff, {} each";
    RowDone = "row_done", "完成 {}", "done {}";
    RowFacts = "row_facts", "净增 {}，目标 {}，完成 {}", "net {}, target {}, done {}";
    RowQualified = "row_qualified", "有效 {}", "qual. {}";
    FlagSilent = "flag_silent", "没动静", "silent";
    FlagLoss = "flag_loss", "群发后流失", "losses";
    FlagPassRate = "flag_pass_rate", "通过率低", "few accepted";
    BarsSay = "bars_say", "横条是目标完成，没有横条的没有设目标；竖线是平时此刻该到的位置。多、少是与前一日同一时刻比。", "Bars show target progress, where a target is set; the tick is where it usually stands by now. ± is against the same minute of the day before.";
    BarsSayOver = "bars_say_over", "横条是目标完成，没有横条的没有设目标。多、少是与前一日比。", "Bars show target progress, where a target is set. ± is against the day before.";
    MovesSay = "moves_say", "▲▼ 近 1 小时；竖线是平时此刻", "▲▼ last hour; tick: usual by now";
    MovesShort = "moves_short", "升降：近 1 小时", "moves: last hour";
    NoMoves = "no_moves", "有效没有升降：一小时前的有效数没有人记下", "no moves: nobody kept what was qualified an hour ago";
    WallNameless = "wall_nameless", "这里的大屏不显示员工姓名。", "Walls name no staff here.";
    Up = "up", "上升 {}", "up {}";
    Down = "down", "下降 {}", "down {}";
    Unassigned = "unassigned", "未归属", "Not assigned";
    Rank = "rank", "名次", "Rank";
    Next = "next", "下 50 个", "Next 50";
    First = "first", "回到第 1 名", "Back to the top";
    RowsInAll = "rows_in_all", "共 {} 个。", "{} in all.";
    RanksSay = "ranks_say", "同分同名次，先到的在前。员工离店、客户转接不改动已经记下的数。", " Ties share a rank, first to reach it first. Reorganisations and transfers never change what was counted.";
    AllStaff = "all_staff", "看全部 {} 人", "All {} staff";
    ThePage = "the_page", "看他的一天", "Their day";
    Mine = "mine", "我的名次", "My row";
    GapNext = "gap_next", "距第 {} 名差 {}", "rank {} is {} ahead";
    Channels = "channels", "渠道", "Channels";
    ChannelsTotal = "channels_total", "合计", "total";
    AllChannels = "all_channels", "全部 {} 个", "All {}";
    ChannelsSay = "channels_say", "未归因也算在合计里，各渠道相加一定等于加粉。竖线是前一日同一时刻。", "Unattributed is part of the total: channels always add up to adds. The tick is the same minute of the day before.";
    TickYesterday = "tick_yesterday", "竖线：昨日此刻", "tick: yesterday by now";
    TickDayBefore = "tick_day_before", "竖线：前一日", "tick: the day before";
    SilentCodes = "silent_codes", "没动静的码", "Silent codes";
    NoneSilent = "none_silent", "所有活跃的码都有动静。", "Every active code is adding as usual.";
    Seconds = "seconds", "{} 秒", "{} s";
    Minutes = "minutes", "{} 分钟", "{} min";
    Hours = "hours", "{} 小时", "{} h";
    Retained = "retained", "满 24 小时的 {} 个里，{} 个还是好友", "Of {} that are 24 h old {} are still friends";
    RetainedShare = "retained_share", "，占 {}", ", {}";
    RetainedLater = "retained_later", "留存要满 24 小时才知道。", " Retention is known after 24 h.";
    Stages = "stages", "从曝光到开口", "From exposure to first message";
    Exposures = "exposures", "曝光", "Exposed";
    Scans = "scans", "扫码", "Scanned";
    RequestsIn = "requests_in", "客户申请", "Requests in";
    RequestsOut = "requests_out", "员工申请", "Requests out";
    HalfAdds = "half_adds", "单向添加", "Half adds";
    HalfAddsSay = "half_adds_say", "客户加了，员工还没通过", "waiting for the staff member";
    StagesSay = "stages_say", "各步不是同一批人，所以不算步步转化率。右列与前一日同一时刻比。", "These are not the same people, so no step rates. Right: against the same minute of the day before.";
    Losses = "losses", "流失", "Losses";
    ByCustomer = "by_customer", "客户删除", "Deleted by the customer";
    ByStaff = "by_staff", "员工删除", "Deleted by staff";
    ByStaffSays = "by_staff_says", "其中加上后 24 小时内删的不计有效", "of these, those within 24 h of the add are not qualified";
    AfterBroadcasts = "after_broadcasts", "群发后流失", "After broadcasts";
    NoBroadcasts = "no_broadcasts", "这一天没有群发", "no broadcast on this day";
    SentTo = "sent_to", "{} {}，发 {} 人", "{} {}, to {}";
    People = "people", "{} 人", "{} left";
    Latest = "latest", "最近 {} 次，共 {} 次", "the latest {} of {}";
    Transfers = "transfers", "同事转接", "Transfers";
    TransfersSay = "transfers_say", "不算加，也不算走", "neither an add nor a loss";
    Out = "out", "出", "out";
    In = "in", "入", "in";
    Corrections = "corrections", "修订", "Corrections";
    LateAdds = "late_adds", "迟到补记", "Added late";
    LateSays = "late_says", "迟到的已补回原来的分钟", "late events, put back in their minutes";
    LateToday = "late_today", "今天补记", "late today";
    MoreLines = "more_lines", "另有 {} 条。", "{} more.";
    NoCorrections = "no_corrections", "已显示过的日子没有改动。", "No day that was shown has changed.";
    CameLate = "came_late", "{} 条迟到，已补回原来的分钟", "{} late, put back in their minutes";
    ReasonReplay = "reason_replay", "重放的已去掉", "replayed ones taken out";
    ReasonFold = "reason_fold", "重算", "recounted";
    ReasonChannel = "reason_channel", "改渠道", "channel changed";
    StaysInSum = "stays_in_sum", "{}，合计 {} 不变", "{}: the sum of {} stays";
    ClosedDay = "closed_day", "；已封账，记为调整", "; closed, kept as an adjustment";
    NobodyHere = "nobody", "这里还没有人和数据。", "Nobody and nothing here yet.";
    WholeCorp = "whole_corp", "全部", "All";
    Size = "size", "{} 店 {} 人", "{} stores, {} staff";
    SizeStaff = "size_staff", "{} 人", "{} staff";
    Foot = "foot", "营业日按 {}，0 点到 24 点。截至 {}，修订号 {}。", "Business day in {}, 00:00 to 24:00. As of {}, revision {}.";
    CountsOnly = "counts_only", "只显示人数，不显示客户身份。", " Counts only; customers are never identified.";
    OtherLanguage = "other_language", "English", "中文";
    ThemeSystem = "theme_system", "跟随系统", "System";
    ThemeLight = "theme_light", "浅色", "Light";
    ThemeDark = "theme_dark", "深色", "Dark";
    Wall = "wall", "大屏", "Wall";
    Csv = "csv", "导出 CSV", "CSV";
    Path = "path", "位置", "Breadcrumb";
    Levels = "levels", "层级", "Level";
    Figures = "figures", "数字", "Figures";
    MainNavigation = "main_navigation", "主导航", "Main";
    TabToday = "tab_today", "今日", "Today";
    TabRank = "tab_rank", "榜单", "Ranks";
    TabMe = "tab_me", "我的", "Me";
    TrendTitle = "trend_title", "每 {} 分钟加粉", "Adds per {} minutes";
    TrendPlain = "trend_plain", "加粉走势", "Adds over the day";
    InProgress = "in_progress", "未满 {} 分钟", "Part of {} min";
    AsTable = "as_table", "用表格看", "As a table";
    Hour = "hour", "时段", "Hour";
    SoFar = "so_far", "未满", "so far";
    AtHour = "at_hour", "{} 时", "{}:00";
    NotYet = "not_yet", "还没到", "not yet";
    Close = "close", "关闭", "Close";
    Share = "share", "发到群里", "Share";
    Copy = "copy", "复制战报", "Copy";
    Copied = "copied", "已复制", "Copied";
    ReportTitle = "report_title", "【{} 加粉战报】{}", "{}, {}";
    ReportComplete = "report_complete", "数据完整至 {}", "Complete through {}";
    ChooseDay = "choose_day", "选一天", "Choose a day";
    DayEarlier = "day_earlier", "前一天", "Previous day";
    DayLater = "day_later", "后一天", "Next day";
    DatedBy = "dated_by", "归在哪天", "Dated by";
    FinalWhen = "final_when", "何时定数", "Final when";
    AsOf = "as_of", "截至", "As of";
    ByEvent = "by_event", "按发生时间归日", "the time of the event";
    ByAdd = "by_add", "按加粉那天归日（跟人走）", "the day of the add (cohort)";
    DefComplete = "def_complete", "这个时刻之前发生的加粉，全都算进来了。之后的可能只到了一部分，所以比较和名次只算到这里。", "Everything that happened before this moment is counted. Later events may be partly in, so comparisons and ranks stop here.";
    WhenComplete = "when_complete", "慢过 30 秒变色，慢过 2 分钟收起比较", "ochre after 30 s; comparisons are held after 2 min";
    DefAdds = "def_adds", "成为员工企业微信好友的次数。同一位客户加两名员工算两次；删了再加，算一次新的。", "Times a customer became a WeCom friend of a member of staff. One customer adding two staff counts twice.";
    WhenAdds = "when_adds", "到截至时刻为准；迟到的补记到原来那一分钟，并列入修订", "complete through the time shown; late events are added to their own minute and listed";
    DefNet = "def_net", "当天加的，减去当天走的。走的人可能是很久以前加的，所以净增不等于有效。", "The day's adds minus the day's deletions. Those who left may have been added long ago.";
    WhenNet = "when_net", "同加粉；同事之间转接不算加也不算走", "as adds; transfers between colleagues count as neither";
    DefQualified = "def_qualified", "企业新客，加上 24 小时内没有被客户删除，也没有被员工删除。奖励只按这个数发。", "New to the company, and deleted neither by the customer nor by staff within 24 h. Rewards use this figure only.";
    WhenQualified = "when_qualified", "每一位满 24 小时定数；一天的全部在第二天 24:00 前定，结束三天后封账", "each add is final after 24 h; the day closes three days after its end";
    DefOpened = "def_opened", "当天加上、并且当天发来第一条消息的客户。", "Customers added on the day who sent their first message the same day.";
    DefTarget = "def_target", "这一天要加到多少。竖线是平时此刻的位置，斜线是预计全天的八成范围。目标不按加粉设时写明按什么；平时的进度总按加粉算。", "What the day should reach, in adds where nothing else is named. The tick is where adds usually stand by now; the hatching is the forecast's 80% range.";
    WhenTarget = "when_target", "当天；历史不足时不预计", "the same day; no forecast with too little history";
    NotNew = "not_new", "不是企业新客", "Not new to the company";
    LeftAlready = "left_already", "新客中已流失", "New, but already lost";
    MyToday = "my_today", "今天加的好友", "Friends added today";
    MyOnDay = "my_on_day", "当日加的好友", "Friends added that day";
    TimesOfAdds = "times_of_adds", "每次加粉的时间", "times of the adds";
    FirstFinal = "first_final", "每一位满 24 小时定数：最早一位 {} 定，全部在{} 24:00 前定。", "Each is final after 24 h: the first at {}, all by 24:00 on {}.";
    GreyIsBefore = "grey_is_before", "下排灰线：前一天。", "Grey ticks below: the day before.";
    NoneBefore = "none_before", "前一天没有加粉。", "No adds on the day before.";
    MyRank = "my_rank", "我的名次", "My rank";
    OfPeople = "of_people", "共 {} 人", "of {}";
    Me = "me", "我", "Me";
    MoreThanI = "more_than_i", "比我多 {}", "{} more";
    FewerThanI = "fewer_than_i", "比我少 {}", "{} fewer";
    Month = "month", "本月有效", "Qualified this month";
    MonthFinal = "month_final", "已定", "Final";
    MonthPending = "month_pending", "待定", "Pending";
    MonthAdjusted = "month_adjusted", "调整", "Adjusted";
    MonthAdjustedSays = "month_adjusted_says", "封账后记录", "after closing";
    MyAdds = "my_adds", "我的流水", "My adds, one by one";
    MyAddsBefore = "my_adds_before", "更早的 50 条", "50 before these";
    MyAddsNewest = "my_adds_newest", "回到最新", "Back to the newest";
    MyAddsSay = "my_adds_say", "只记时间和渠道，不显示客户是谁。对不上？点开一条，把编号发给店长复核。", "Time and channel only, never the customer. Something missing? Open a line and send its number to your manager.";
    Receipt = "receipt", "编号", "Number";
    StatusPending = "status_pending", "{} 定数", "final {}";
    StatusFinal = "status_final", "有效", "qualified";
    StatusNotNew = "status_not_new", "不是企业新客，不计有效", "not new to the company, not counted";
    StatusLeft = "status_left", "客户已删除，不计有效", "deleted by the customer, not counted";
    StatusPurged = "status_purged", "被员工删除，不计有效", "deleted by staff, not counted";
    StatusLate = "status_late", "{} 补记", "added {}";
    StatusLatePending = "status_late_pending", "{} 补记，{} 定数", "added {}, final {}";
    Whose = "whose", "看谁的一天", "Whose day";
    WhoseSays = "whose_says", "这一页是员工自己的。选一个人，或先选大区和门店。", "This page is a member of staff's own. Choose a person, or first a region and a store.";
    Contest = "contest", "PK", "Contest";
    NoContest = "no_contest", "现在没有 PK。", "No contest now.";
    ContestHeld = "contest_held", "数据恢复后继续，不影响胜负", "resumes with the data; the result is not affected";
    EndsAt = "ends_at", "{} 结束", "ends {}";
    Upcoming = "upcoming", "未开始", "not started";
    Running = "running", "进行中", "running";
    Ended = "ended", "已结束", "ended";
    PerHeadOf = "per_head_of", "人均{}", "{} per head";
    SoundOff = "sound_off", "提示音：关", "Sound: off";
    SoundOn = "sound_on", "提示音：开", "Sound: on";
    News = "news", "播报", "News";
    NewsNone = "news_none", "还没有播报。", "Nothing to report yet.";
    NewsPassed = "news_passed", "{} 加粉满 {}", "{} has reached {} adds";
    NewsTarget = "news_target", "{} 完成目标 {}", "{} has reached its target of {}";
    NewsFirst = "news_first", "{} 升到第 1，加粉 {}", "{} is now first with {}";
    Search = "search", "搜索", "Search";
    SearchSays = "search_says", "大区、门店、员工的名字或编号", "Name or id of a region, store or person";
    SearchNone = "search_none", "你的可看范围里没有。", "Nothing in what you may see.";
    Now = "now", "现在 {}", "now {}";
    OpenToAll = "open_to_all", "未设访问密钥：能打开此地址的人都能看到全部。", "No access keys: whoever opens this address sees everything.";
    Denied = "denied", "这一页不在你的可看范围", "This page is not for your link";
    YouSee = "you_see", "你的链接可看：{}。", "Your link shows: {}.";
    AskManager = "ask_manager", "要看更多，请找 {} 的负责人开通。", "Whoever manages {} can widen it.";
    AskOwner = "ask_owner", "要看更多，请找老板或系统管理员开通。", "The owner can widen it.";
    ToOwn = "to_own", "去我的页面", "Go to my page";
    LinkNeeded = "link_needed", "请用你的专属链接打开", "Open the link that you were given";
    LinkMissing = "link_missing", "这个看板只对有链接的人开放。", "This board is open to those with a link.";
    LinkExpired = "link_expired", "你的链接已过期。", "Your link has expired.";
    LinkInvalid = "link_invalid", "这个链接无效。", "This link is not valid.";
    AskForLink = "ask_for_link", "请找上级重新发一个。", "Ask your manager for a new one.";
}

/// The words that the browser writes itself.
const BROWSER: &[Word] = &[
    Word::LateAdds,
    Word::CompleteThrough,
    Word::CompleteOnly,
    Word::SecondsBehind,
    Word::MinutesBehind,
    Word::StaleWords,
    Word::OfflineWords,
    Word::LiveWords,
    Word::BehindWords,
    Word::EmptyDay,
    Word::Never,
    Word::More,
    Word::Fewer,
    Word::Level,
    Word::ShareOfAdds,
    Word::Usual,
    Word::Ahead,
    Word::Behindhand,
    Word::RowHeads,
    Word::RowDone,
    Word::RowFacts,
    Word::RowQualified,
    Word::GapNext,
    Word::NewsNone,
    Word::Up,
    Word::Down,
    Word::Unassigned,
    Word::Foot,
    Word::NotYet,
    Word::Copied,
    Word::Now,
    Word::NewsPassed,
    Word::NewsTarget,
    Word::NewsFirst,
    Word::SoundOff,
    Word::SoundOn,
    Word::SearchNone,
];

impl Word {
    /// The text with `values` in place of its `{}`, in order.
    #[must_use]
    pub fn with(self, language: Language, values: &[&str]) -> String {
        let mut parts = self.text(language).split("{}");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (part, value) in parts.zip(values) {
            text.push_str(value);
            text.push_str(part);
        }
        text
    }

    /// The words that the browser writes, as one JSON object.
    #[must_use]
    pub fn json(language: Language) -> String {
        let words = BROWSER.iter().map(|word| (word.key().to_owned(), word.text(language).into()));
        serde_json::Value::Object(words.collect()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_take_the_same_values() {
        for word in Word::ALL {
            let values = |language| word.text(language).matches("{}").count();
            assert_eq!(values(Language::Zh), values(Language::En), "{word:?}");
        }
    }

    #[test]
    fn values_stand_in_order() {
        assert_eq!(Word::MinutesBehind.with(Language::Zh, &["4", "12"]), "已 4 分 12 秒");
    }
}
