//! The words of the brand: regions, cities, malls, people, campaigns.
//!
//! Invariant: data, and pure functions from a number to a name.

/// The regions of the country in the order in which a brand opens them: id, name, cities.
pub(super) const REGIONS: [(&str, &str, [&str; 6]); 8] = [
    ("east", "华东", ["上海", "杭州", "南京", "苏州", "宁波", "合肥"]),
    ("north", "华北", ["北京", "天津", "石家庄", "太原", "济南", "青岛"]),
    ("south", "华南", ["广州", "深圳", "佛山", "东莞", "厦门", "南宁"]),
    ("southwest", "西南", ["成都", "重庆", "昆明", "贵阳", "绵阳", "遵义"]),
    ("central", "华中", ["武汉", "长沙", "郑州", "南昌", "洛阳", "襄阳"]),
    ("northeast", "东北", ["沈阳", "大连", "长春", "哈尔滨", "吉林", "大庆"]),
    ("northwest", "西北", ["西安", "兰州", "银川", "西宁", "乌鲁木齐", "咸阳"]),
    ("overseas", "港澳台", ["香港", "九龙", "沙田", "澳门", "台北", "高雄"]),
];

const MALLS: [&str; 12] =
    ["万象城", "大悦城", "万达", "银泰", "恒隆", "来福士", "太古里", "吾悦", "龙湖天街", "印象城", "环球港", "砂之船"];

const SURNAMES: [&str; 32] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何", "郭", "马",
    "罗", "梁", "宋", "郑", "谢", "韩", "唐", "冯", "于", "董", "萧", "欧阳", "诸葛",
];

const GIVEN: [&str; 40] = [
    "芳", "伟", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "军", "杰", "娟", "涛", "超", "霞", "平", "刚",
    "桂英", "雨桐", "子涵", "梓萱", "浩然", "欣怡", "思远", "晓明", "佳琪", "婷婷", "文博", "嘉怡", "志强", "海燕",
    "建国", "雪梅", "秀兰", "一诺", "俊杰", "美玲", "春花",
];

/// The campaigns of the season: id and name.
pub(super) const CAMPAIGNS: [(&str, &str); 6] = [
    ("c-double11", "双十一"),
    ("c-member-day", "会员日"),
    ("c-new-arrival", "新品上市"),
    ("c-anniversary", "周年庆"),
    ("c-old-brings-new", "老带新"),
    ("c-daily", "日常"),
];

pub(super) fn person(number: usize) -> String {
    // 31 is coprime to both lengths: every pair comes up before one returns.
    let surname = SURNAMES[number * 31 % SURNAMES.len()];
    let given = GIVEN[(number / SURNAMES.len() + number * 7) % GIVEN.len()];
    format!("{surname}{given}")
}

/// The name of the n-th store of a region.
pub(super) fn store(region: usize, number: usize) -> String {
    let cities = &REGIONS[region % REGIONS.len()].2;
    let city = cities[number % cities.len()];
    let mall = MALLS[(number / cities.len() + number) % MALLS.len()];
    match number / (cities.len() * MALLS.len()) {
        0 => format!("{city}{mall}店"),
        again => format!("{city}{mall}{}店", again + 1),
    }
}
