//! Drives and the links into them (SH-7): which share on which drive, and the code that opens it.

use super::web_url;
use crate::error::{Error, Result};
use crate::limits::{SHARE_CODE_CHARS_MAX, SHARE_URL_BYTES_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drive {
    Aliyun,
    Baidu,
}

impl Drive {
    pub const ALL: [Drive; 2] = [Self::Aliyun, Self::Baidu];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aliyun => "aliyun",
            Self::Baidu => "baidu",
        }
    }

    /// Errors: 40001 for field `drive`.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|drive| drive.as_str() == text)
            .ok_or_else(|| Error::invalid("drive", "The drive is aliyun or baidu."))
    }
}

/// A share of a drive, and the code that opens it (empty: none is needed).
#[derive(Clone, PartialEq, Eq)]
pub struct ShareLink {
    pub drive: Drive,
    /// What the drive's API calls the share: Aliyun's `share_id`, Baidu's `surl` without its leading 1.
    pub share_id: String,
    pub code: String,
}

impl ShareLink {
    /// Reads what people paste: `https://www.alipan.com/s/…` (also aliyundrive.com), `https://pan.baidu.com/s/1…`
    /// or `…/share/init?surl=…`, with the code in `code` or as `?pwd=` of the link.
    /// Errors: 40001 for fields `url` and `code`.
    pub fn parse(url: &str, code: &str) -> Result<Self> {
        let url = url.trim();
        if url.len() > SHARE_URL_BYTES_MAX {
            return Err(Error::invalid("url", "The link is longer than 512 bytes."));
        }
        let parsed = web_url::parse("url", url)?;
        let host = parsed.host_str().unwrap_or_default();
        let path: Vec<&str> = parsed.path().trim_matches('/').split('/').collect();
        let parameter = |name: &str| {
            let mut pairs = parsed.query_pairs();
            pairs
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let (drive, share_id) = match (host.trim_start_matches("www."), path.as_slice()) {
            ("alipan.com" | "aliyundrive.com", ["s", id, ..]) => {
                (Drive::Aliyun, Some((*id).to_owned()))
            }
            ("pan.baidu.com" | "yun.baidu.com", ["s", id, ..]) => {
                (Drive::Baidu, id.strip_prefix('1').map(str::to_owned))
            }
            ("pan.baidu.com" | "yun.baidu.com", ["share", "init"]) => {
                (Drive::Baidu, parameter("surl"))
            }
            _ => {
                return Err(Error::invalid(
                    "url",
                    "This is no share link of Aliyun or Baidu.",
                ));
            }
        };
        let is_id = |id: &String| {
            (4..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let share_id = share_id
            .filter(is_id)
            .ok_or_else(|| Error::invalid("url", "The link names no share."))?;
        let code = match code.trim() {
            "" => parameter("pwd").unwrap_or_default(),
            code => code.to_owned(),
        };
        Ok(Self {
            drive,
            share_id,
            code: checked_code(code)?,
        })
    }

    /// The link in one form, whatever was pasted, without its code.
    pub fn url(&self) -> String {
        match self.drive {
            Drive::Aliyun => format!("https://www.alipan.com/s/{}", self.share_id),
            Drive::Baidu => format!("https://pan.baidu.com/s/1{}", self.share_id),
        }
    }
}

/// Neither link nor code may stand in a log.
impl std::fmt::Debug for ShareLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareLink")
            .field("drive", &self.drive)
            .finish_non_exhaustive()
    }
}

fn checked_code(code: String) -> Result<String> {
    let is_code =
        code.len() <= SHARE_CODE_CHARS_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code {
        Ok(code)
    } else {
        Err(Error::invalid(
            "code",
            "The code has letters and digits alone, 16 at the most.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_as_people_paste_them() {
        let table = [
            (
                "https://www.alipan.com/s/abcDEF12345",
                "",
                Drive::Aliyun,
                "abcDEF12345",
                "",
            ),
            (
                "https://www.aliyundrive.com/s/abcDEF12345/folder/x",
                "k3y9",
                Drive::Aliyun,
                "abcDEF12345",
                "k3y9",
            ),
            (
                " https://pan.baidu.com/s/1AbC_d-9xyz?pwd=q1w2 ",
                "",
                Drive::Baidu,
                "AbC_d-9xyz",
                "q1w2",
            ),
            (
                "https://pan.baidu.com/share/init?surl=AbC_d-9xyz",
                "q1w2",
                Drive::Baidu,
                "AbC_d-9xyz",
                "q1w2",
            ),
        ];
        for (url, code, drive, share_id, wanted) in table {
            let link = ShareLink::parse(url, code).unwrap();
            assert_eq!(
                (link.drive, link.share_id.as_str(), link.code.as_str()),
                (drive, share_id, wanted),
                "{url}"
            );
            assert_eq!(ShareLink::parse(&link.url(), &link.code).unwrap(), link);
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for bad in [
            "",
            "https://example.com/s/1abcdef",
            "https://pan.baidu.com.evil.example/s/1abcdef",
            "https://pan.baidu.com/s/abcdef",
            "https://pan.baidu.com/disk/home",
            "https://www.alipan.com/s/",
            "https://www.alipan.com/s/a%2Fb",
            "javascript:alert(1)",
        ] {
            assert!(ShareLink::parse(bad, "").is_err(), "{bad}");
        }
        for bad in ["a b", "提取码", "12345678901234567"] {
            assert!(
                ShareLink::parse("https://www.alipan.com/s/abcDEF12345", bad).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn neither_link_nor_code_is_in_its_debug_text() {
        let link = ShareLink::parse("https://www.alipan.com/s/abcDEF12345", "k3y9").unwrap();
        let text = format!("{link:?}");
        assert!(!text.contains("abcDEF") && !text.contains("k3y9"), "{text}");
    }
}
