//! Where the brand meets its customers: the channels, their shares by region, and how a producer names each.
//!
//! Invariant: only shares that sum up by side of the counter; what a share becomes is decided in `model`.

use super::dice::{Dice, Weighted};

/// Which side of the counter a channel is on: a store's has opening hours, an online one has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Store,
    Online,
}

/// What producers send to say it is this channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A code in `state`, which the channel topic translates.
    Code,
    /// The key itself in `channel`.
    Key,
    /// One of the platform's numbers in `add_way`.
    AddWay(&'static [i16]),
}

/// What comes before the add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A code is scanned or a card is opened.
    Scan,
    /// The customer asks.
    AskedByCustomer,
    /// The staff member asks, and mostly hears nothing.
    AskedByStaff,
}

/// One row of the table of channels.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    pub key: &'static str,
    pub label: &'static str,
    group: Group,
    pub side: Side,
    pub named: Named,
    pub opening: Opening,
    /// Relative to the others of its side.
    weight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Ecommerce,
    PaidMedia,
    Owned,
    Store,
    Telesales,
    Referral,
    GroupChat,
    StaffActive,
    /// Never drawn: transfers and what resolves to nothing.
    Aside,
}

/// Percent by which a region leans to a group, in the order of `Group`: a coast that buys online, a capital that
/// phones, a south that shares, an inland that goes to the shop. More regions repeat the four.
const LEANINGS: [[u32; 9]; 4] = [
    [140, 130, 110, 90, 70, 100, 100, 100, 0],
    [100, 90, 100, 100, 190, 80, 90, 110, 0],
    [90, 110, 120, 90, 80, 160, 170, 100, 0],
    [80, 80, 80, 140, 100, 110, 120, 130, 0],
];

const fn row(
    (key, label): (&'static str, &'static str),
    group: Group,
    (named, opening): (Named, Opening),
    weight: u32,
) -> Channel {
    let side = if matches!(group, Group::Store | Group::StaffActive) { Side::Store } else { Side::Online };
    Channel { key, label, group, side, named, opening, weight }
}

const CODE: (Named, Opening) = (Named::Code, Opening::Scan);
const KEY: (Named, Opening) = (Named::Key, Opening::AskedByCustomer);
const CALL: (Named, Opening) = (Named::Key, Opening::AskedByStaff);

const fn way(numbers: &'static [i16], opening: Opening) -> (Named, Opening) {
    (Named::AddWay(numbers), opening)
}

/// Every channel of the contract. The weights are a chain with about a third of its adds over the counter.
pub static CHANNELS: [Channel; 45] = [
    row(("package_card", "包裹卡"), Group::Ecommerce, CODE, 160),
    row(("order_sms", "下单短信"), Group::Ecommerce, CODE, 60),
    row(("ai_call", "AI外呼"), Group::Ecommerce, CALL, 50),
    row(("ai_call_sms", "AI外呼+短信"), Group::Ecommerce, CODE, 20),
    row(("platform_cs", "平台客服"), Group::Ecommerce, KEY, 50),
    row(("checkout_page", "支付后页"), Group::Ecommerce, CODE, 30),
    row(("ad_miniprogram", "广告-小程序"), Group::PaidMedia, CODE, 30),
    row(("ad_kf", "广告-微信客服"), Group::PaidMedia, KEY, 30),
    row(("ad_qr", "广告-企微码"), Group::PaidMedia, CODE, 40),
    row(("moments_ad", "朋友圈广告"), Group::PaidMedia, CODE, 30),
    row(("xiaohongshu", "小红书"), Group::PaidMedia, CODE, 50),
    row(("douyin", "抖音"), Group::PaidMedia, CODE, 60),
    row(("offline_ad", "线下广告"), Group::PaidMedia, CODE, 10),
    row(("oa_welcome", "公众号欢迎语"), Group::Owned, CODE, 50),
    row(("oa_menu", "公众号菜单"), Group::Owned, CODE, 40),
    row(("oa_article", "公众号文章"), Group::Owned, CODE, 30),
    row(("oa_template", "模板消息"), Group::Owned, CODE, 20),
    row(("miniprogram", "小程序"), Group::Owned, CODE, 60),
    row(("mp_push", "小程序推送"), Group::Owned, CODE, 10),
    row(("channels_profile", "视频号主页"), Group::Owned, way(&[10], Opening::AskedByCustomer), 20),
    row(("channels_live", "视频号直播"), Group::Owned, CODE, 30),
    row(("channels_comment", "视频号评论"), Group::Owned, CODE, 10),
    row(("website", "官网"), Group::Owned, CODE, 10),
    row(("app", "App"), Group::Owned, CODE, 20),
    row(("sms_link", "短信链接"), Group::Owned, CODE, 30),
    row(("acquisition_link", "获客链接"), Group::Owned, way(&[16], Opening::Scan), 30),
    row(("cashier", "收银台"), Group::Store, CODE, 300),
    row(("badge", "工牌"), Group::Store, CODE, 220),
    row(("shelf", "货架"), Group::Store, CODE, 80),
    row(("wifi_card", "WiFi卡"), Group::Store, CODE, 30),
    row(("receipt", "小票"), Group::Store, CODE, 60),
    row(("guide", "导购当面"), Group::Store, KEY, 180),
    row(("tele_call", "电销"), Group::Telesales, CALL, 140),
    row(("form", "表单"), Group::Telesales, CODE, 20),
    row(("phone_import", "号码批量添加"), Group::Telesales, way(&[5], Opening::AskedByStaff), 90),
    row(("fission", "裂变"), Group::Referral, CODE, 40),
    row(("distribution", "分销"), Group::Referral, CODE, 10),
    row(("group_buy", "拼团"), Group::Referral, CODE, 20),
    row(("card_share", "名片推荐"), Group::Referral, way(&[3], Opening::AskedByCustomer), 30),
    row(("group_chat", "社群"), Group::GroupChat, way(&[4], Opening::AskedByCustomer), 50),
    row(("wechat_contact", "微信联系人"), Group::StaffActive, way(&[6, 7, 13, 24], Opening::AskedByStaff), 60),
    row(("search", "搜索添加"), Group::StaffActive, way(&[2, 9], Opening::AskedByCustomer), 50),
    row(("work_context", "日程会议等"), Group::StaffActive, way(&[11, 12], Opening::AskedByCustomer), 8),
    row(("assigned", "继承分配"), Group::Aside, way(&[202], Opening::Scan), 0),
    row(("unattributed", "未归因"), Group::Aside, KEY, 0),
];

/// A position in [`CHANNELS`].
pub type Index = u8;

/// The position of this key.
///
/// # Panics
/// Where the table has no such key: the callers name keys that are written in it.
#[must_use]
pub fn index(key: &str) -> Index {
    let at = CHANNELS.iter().position(|channel| channel.key == key).expect("the key is written in the table above");
    Index::try_from(at).expect("the table has fewer than 256 rows")
}

/// The row at this position.
#[must_use]
pub fn channel(index: Index) -> &'static Channel {
    &CHANNELS[usize::from(index)]
}

/// What one region draws its adds from.
#[derive(Clone, Debug)]
pub struct Mix {
    store: Weighted,
    online: Weighted,
}

impl Mix {
    #[must_use]
    pub fn new(region: usize) -> Self {
        Self {
            store: Weighted::new(&Self::weights(region, Side::Store)),
            online: Weighted::new(&Self::weights(region, Side::Online)),
        }
    }

    /// The weight of each channel of the table in this region, 0 on the other side of the counter.
    #[must_use]
    pub fn weights(region: usize, side: Side) -> [u32; CHANNELS.len()] {
        let leaning = &LEANINGS[region % LEANINGS.len()];
        CHANNELS.map(|channel| {
            let percent = leaning[match channel.group {
                Group::Ecommerce => 0,
                Group::PaidMedia => 1,
                Group::Owned => 2,
                Group::Store => 3,
                Group::Telesales => 4,
                Group::Referral => 5,
                Group::GroupChat => 6,
                Group::StaffActive => 7,
                Group::Aside => 8,
            }];
            if channel.side == side { channel.weight * percent } else { 0 }
        })
    }

    pub fn pick(&self, side: Side, dice: &mut Dice) -> Index {
        let at = match side {
            Side::Store => self.store.pick(dice),
            Side::Online => self.online.pick(dice),
        };
        Index::try_from(at).expect("the table has fewer than 256 rows")
    }
}
