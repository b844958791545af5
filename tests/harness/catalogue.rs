//! Resources by the thousand, for searches: texts as people write them, Chinese first, from a seed.

use crate::Chance;
use serde_json::{Value, json};
use shared::store::{Database, Dialect};
use std::sync::LazyLock;

/// The commonest characters of Chinese texts, commonest first.
const COMMON: &str = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过\
发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无\
力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身\
果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打\
女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书\
非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候\
带导争运笔视频音乐电影资源课程教程合集完整版高清字幕编程机器学习数据库软件游戏动漫小说英语考研";
const TRADITIONAL: &str =
    "機器學習資料庫視頻電影課程發後裡麵國語臺灣樂團體驗證書錄製軟體遊戲動畫開發實戰數據結構演算法";
const LATIN: [&str; 16] = [
    "Rust",
    "python",
    "Java",
    "4K",
    "1080p",
    "BluRay",
    "S01E02",
    "v2.0",
    "Photoshop",
    "C++",
    "Ｗｅｂ",
    "café",
    "mp4",
    "ＡＩ",
    "iOS",
    "2024",
];
const EMOJI: [&str; 5] = ["😀", "🎬", "❤\u{FE0F}", "👨\u{200D}👩", "🔥"];
const BETWEEN: [&str; 9] = ["", "", "", " ", "，", "《", "》", " - ", "<b>"];

/// One resource as a search sees it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub number: i64,
    pub resource_id: String,
    pub publisher_id: String,
    pub drive: &'static str,
    pub title: String,
    pub bio: String,
    pub names: Vec<String>,
    pub total_size: i64,
    pub published_at: i64,
    pub state: &'static str,
}

/// How long texts are, in words.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    pub title: u64,
    pub bio: u64,
    pub names: u64,
}

/// Makes the resources of these numbers; `now` is when the last of them was published.
pub fn entries(
    chance: &mut Chance,
    numbers: std::ops::Range<i64>,
    publishers: &[String],
    lengths: Lengths,
    now: i64,
) -> Vec<Entry> {
    let end = numbers.end;
    let mut make = |number| Entry {
        number,
        resource_id: uuid::Uuid::now_v7().to_string(),
        publisher_id: publishers[chance.index(publishers.len())].clone(),
        drive: if chance.one_in(3) { "aliyun" } else { "baidu" },
        title: text(chance, lengths.title),
        bio: text(chance, lengths.bio),
        names: (0..chance.below(lengths.names + 1))
            .map(|_| format!("{}.mp4", text(chance, 4).trim()))
            .collect(),
        total_size: i64::try_from(chance.draw() >> (1 + chance.below(60))).unwrap_or(0),
        // Two years in all, however many they are.
        published_at: now - (end - 1 - number) * (730 * 24 * 3600 * 1000 / (end - 1).max(1)),
        state: if chance.one_in(20) {
            "invalidated"
        } else {
            "ok"
        },
    };
    numbers.map(&mut make).collect()
}

/// A text of up to this many words.
pub fn text(chance: &mut Chance, words_max: u64) -> String {
    let mut text = String::new();
    for _ in 0..=chance.below(words_max) {
        match chance.below(20) {
            0 => text.push_str(EMOJI[chance.index(EMOJI.len())]),
            1..=3 => text.push_str(LATIN[chance.index(LATIN.len())]),
            4..=5 => {
                let from = chance.index(TRADITIONAL.chars().count() - 2);
                text.extend(TRADITIONAL.chars().skip(from).take(2));
            }
            _ => (0..2 + chance.below(2)).for_each(|_| text.push(character(chance))),
        }
        text.push_str(BETWEEN[chance.index(BETWEEN.len())]);
    }
    text
}

/// A Chinese character: a common one by Zipf's law, seldom any other.
pub fn character(chance: &mut Chance) -> char {
    if chance.one_in(8) {
        let rare = 0x4E00 + chance.below(0x51A5) as u32;
        return char::from_u32(rare).unwrap_or('一');
    }
    // Looking for the n-th character of a text takes as long as the text is.
    static CHARACTERS: LazyLock<Vec<char>> = LazyLock::new(|| COMMON.chars().collect());
    let count = CHARACTERS.len();
    let uniform = (chance.draw() >> 11) as f64 / (1_u64 << 53) as f64;
    let rank = (count as f64).powf(uniform) as usize - 1;
    CHARACTERS[rank.min(count - 1)]
}

/// Writes them as if they had been published and approved; the index is behind afterwards.
pub async fn insert(database: &dyn Database, entries: &[Entry]) -> shared::Result<()> {
    for some in entries.chunks(500) {
        let rows: Vec<Value> = some.iter().map(row).collect();
        let rows = Value::Array(rows).to_string();
        let list = match database.dialect() {
            Dialect::Sqlite => "json_each($1)",
            Dialect::Postgres => "json_array_elements($1::TEXT::JSON)",
        };
        let directories = format!(
            "INSERT INTO directories (directory_id, tree, created_at) \
             SELECT value ->> 'resource_id', value ->> 'tree', 0 FROM {list} AS rows"
        );
        database
            .execute(&directories, &[rows.as_str().into()])
            .await?;
        let resources = format!(
            "INSERT INTO resources (number, resource_id, publisher_id, drive, title, bio, price, total_size, link_id, \
               directory_id, state, review_id, request_hash, created_at, published_at, updated_at) \
             SELECT CAST(value ->> 'number' AS BIGINT), value ->> 'resource_id', value ->> 'publisher_id', \
               value ->> 'drive', value ->> 'title', value ->> 'bio', 0, CAST(value ->> 'total_size' AS BIGINT), \
               'link', value ->> 'resource_id', value ->> 'state', value ->> 'resource_id', '', \
               CAST(value ->> 'published_at' AS BIGINT), CAST(value ->> 'published_at' AS BIGINT), 0 \
             FROM {list} AS rows"
        );
        database.execute(&resources, &[rows.into()]).await?;
    }
    Ok(())
}

fn row(entry: &Entry) -> Value {
    let files = entry.names.iter().enumerate().map(|(at, name)| {
        let kind = if at == 0 { "dir" } else { "file" };
        json!({ "name": name, "type": kind })
    });
    json!({
        "number": entry.number, "resource_id": entry.resource_id, "publisher_id": entry.publisher_id,
        "drive": entry.drive, "title": entry.title, "bio": entry.bio, "total_size": entry.total_size,
        "published_at": entry.published_at, "state": entry.state,
        "tree": Value::Array(files.collect()).to_string(),
    })
}
