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

            /// The name by which the browser finds it.
            const fn key(self) -> &'static str {
                match self { $(Self::$word => $key),+ }
            }
        }
    };
}

words! {
    Title = "title", "引流 加粉看板", "yinliu: friend adds";
    Today = "today", "今日加粉", "Adds today";
    OnDay = "on_day", "当日加粉", "Adds";
    AtLeast = "at_least", "，至少", ", at least";
    CompleteThrough = "complete_through", "数据完整至", "Complete through";
    CompleteOnly = "complete_only", "数据只完整到", "Complete only through";
    SecondsBehind = "seconds_behind", "慢 {} 秒", "{} s behind";
    MinutesBehind = "minutes_behind", "已 {} 分 {} 秒", "{} min {} s ago";
    StaleWords = "stale", "之后只到了一部分。对比和名次升降等数据恢复。", "Only part of what came later is in. Comparisons and moves are held.";
    OfflineWords = "offline", "连不上服务器，正在重连。显示的是上次收到的数字。", "No connection; reconnecting. These are the last figures received.";
    LiveWords = "live", "数据正常", "Data is live";
    BehindWords = "behind", "数据稍慢", "Data is a little behind";
    EmptyWords = "empty", "数据是通的，这一天还没有加粉。", "Data is flowing; no adds on this day yet.";
    NeverWords = "never", "还没有收到任何数据。", "No data has arrived yet.";
    Unknown = "unknown", "正在取数", "Loading";
    Yesterday = "yesterday", "前一日", "Day before";
    LastWeek = "last_week", "上周同日", "Week before";
    Held = "held", "等数据恢复", "held";
    More = "more", "多 {}", "+{}";
    Fewer = "fewer", "少 {}", "−{}";
    Level = "level", "持平", "level";
    NetAdds = "net_adds", "净增", "Net";
    NetSays = "net_says", "加粉减流失", "adds minus losses";
    Losses = "losses", "流失", "Losses";
    LossesSay = "losses_say", "客户 {}，员工 {}", "customer {}, staff {}";
    LateAdds = "late_adds", "迟到补记", "Added late";
    LateSays = "late_says", "已计入加粉", "part of adds";
    Target = "target", "目标", "Target";
    Done = "done", "完成", "done";
    Leaderboard = "leaderboard", "榜单", "Leaderboard";
    Region = "region", "大区", "Regions";
    Store = "store", "门店", "Stores";
    Staff = "staff", "员工", "Staff";
    Adds = "adds", "加粉", "Adds";
    Total = "total", "总数", "Total";
    PerHead = "per_head", "人均", "Per head";
    OfTarget = "of_target", "达成率", "% of target";
    RowHeads = "row_heads", "{} 人，人均 {}", "{} staff, {} each";
    RowTarget = "row_target", "目标 {}", "target {}";
    MovesSay = "moves_say", "▲▼ 近 1 小时；右下比前一日同刻", "▲▼ last hour; right: vs day before";
    Up = "up", "上升 {}", "up {}";
    Down = "down", "下降 {}", "down {}";
    Unassigned = "unassigned", "未归属", "Not assigned";
    Rank = "rank", "名次", "Rank";
    Next = "next", "下 50 个", "Next 50";
    First = "first", "回到第 1 名", "Back to the top";
    Channels = "channels", "渠道", "Channels";
    ChannelsTotal = "channels_total", "合计", "total";
    ChannelsSay = "channels_say", "未归因也算在合计里，各渠道相加一定等于加粉。", "Unattributed is part of the total: channels always add up to adds.";
    NobodyHere = "nobody", "这里还没有人和数据。", "Nobody and nothing here yet.";
    WholeCorp = "whole_corp", "全部", "All";
    Size = "size", "{} 店 {} 人", "{} stores, {} staff";
    Foot = "foot", "营业日按 {}。修订号 {}。只显示人数，不显示客户身份。", "Business day in {}. Revision {}. Counts only; customers are never identified.";
    OtherLanguage = "other_language", "English", "中文";
    DayBefore = "day_before", "前一天", "Previous day";
    DayAfter = "day_after", "后一天", "Next day";
    Csv = "csv", "导出 CSV", "CSV";
    SameMoment = "same_moment", "与同一时刻相比", "Against the same moment";
    Path = "path", "位置", "Breadcrumb";
    Levels = "levels", "层级", "Level";
    Figures = "figures", "数字", "Figures";
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

    /// All words of a language as one JSON object, for the browser.
    #[must_use]
    pub fn json(language: Language) -> String {
        let words = Self::ALL.iter().map(|word| (word.key().to_owned(), word.text(language).into()));
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
