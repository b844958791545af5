//! What a search is narrowed by: when a resource was published, how large it is, where it lies.

use super::grams::Facet;
use crate::domain::drive::Drive;
use crate::error::{Error, Result};
use crate::limits::SIZE_BYTES_MAX;

const DAY_MS: i64 = 24 * 3600 * 1000;
const WEEK_MS: i64 = 7 * DAY_MS;
const MONTH_MS: i64 = 30 * DAY_MS;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub drive: Option<Drive>,
    /// Bytes.
    pub min_size: Option<i64>,
    pub max_size: Option<i64>,
    /// Published then or later.
    pub since: Option<Since>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    pub at: i64,
    now: i64,
}

impl Filter {
    /// From the query's parameters. A month has 30 days, half a year 182, a year 365.
    /// Errors: 40001 naming the field.
    pub fn parse(
        period: Option<&str>,
        min_size: Option<&str>,
        max_size: Option<&str>,
        drive: Option<&str>,
        now: i64,
    ) -> Result<Self> {
        let days = match period.unwrap_or("all") {
            "all" => None,
            "week" => Some(7),
            "month" => Some(30),
            "half_year" => Some(182),
            "year" => Some(365),
            _ => {
                let message = "The period is all, week, month, half_year or year.";
                return Err(Error::invalid("period", message));
            }
        };
        let filter = Self {
            drive: drive.map(Drive::parse).transpose()?,
            min_size: size("min_size", min_size)?,
            max_size: size("max_size", max_size)?,
            since: days.map(|days| Since {
                at: now - days * DAY_MS,
                now,
            }),
        };
        match (filter.min_size, filter.max_size) {
            (Some(min), Some(max)) if min > max => Err(Error::invalid(
                "max_size",
                "max_size is smaller than min_size.",
            )),
            _ => Ok(filter),
        }
    }

    /// Lists of facets: of each list, a resource that passes has one. The reverse holds but for sizes and times
    /// at the edge.
    pub fn facets(&self) -> Vec<Vec<Facet>> {
        let mut lists = Vec::new();
        lists.extend(self.drive.map(|drive| vec![Facet::Drive(drive)]));
        if self.min_size.is_some() || self.max_size.is_some() {
            let min = size_class(self.min_size.unwrap_or(0));
            let max = size_class(self.max_size.unwrap_or(SIZE_BYTES_MAX));
            lists.push((min..=max).map(Facet::Size).collect());
        }
        lists.extend(self.periods());
        lists
    }

    /// Of the lists of [`Filter::facets`] the one about time.
    fn periods(&self) -> Option<Vec<Facet>> {
        let since = self.since?;
        // What is published meanwhile, on a machine whose clock is ahead, counts too.
        let (unit, facet): (i64, fn(u32) -> Facet) = match since.now - since.at {
            short if short <= MONTH_MS => (WEEK_MS, Facet::Week),
            _ => (MONTH_MS, Facet::Month),
        };
        let range = period(since.at, unit)..=period(since.now + unit, unit);
        Some(range.map(facet).collect())
    }

    pub fn passes(&self, total_size: i64, drive: Drive, published_at: i64) -> bool {
        self.drive.is_none_or(|wanted| wanted == drive)
            && self.min_size.is_none_or(|min| total_size >= min)
            && self.max_size.is_none_or(|max| total_size <= max)
            && self.since.is_none_or(|since| published_at >= since.at)
    }
}

/// The facets of a resource.
pub fn facets_of(drive: Drive, total_size: i64, published_at: i64) -> [Facet; 4] {
    [
        Facet::Drive(drive),
        Facet::Size(size_class(total_size)),
        Facet::Week(period(published_at, WEEK_MS)),
        Facet::Month(period(published_at, MONTH_MS)),
    ]
}

fn period(at: i64, unit: i64) -> u32 {
    u32::try_from(at.max(0) / unit).unwrap_or(u32::MAX)
}

fn size_class(size: i64) -> u32 {
    (i64::BITS - size.max(0).leading_zeros()) / 2
}

/// Bytes up to 8192 PB, which do not fit and count as the most that does.
fn size(field: &str, text: Option<&str>) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    let most = 1 << 63;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bytes: Option<u64> = text
        .parse()
        .ok()
        .filter(|bytes| is_number && *bytes <= most);
    let bytes = bytes.ok_or_else(|| {
        let message = format!("{field} is a whole number of bytes from 0 to {most}.");
        Error::invalid(field, message)
    })?;
    Ok(Some(i64::try_from(bytes).unwrap_or(SIZE_BYTES_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_336_200_000;

    #[test]
    fn what_is_no_filter_is_refused() {
        let parse = |period, min, max, drive| Filter::parse(period, min, max, drive, NOW);
        assert_eq!(parse(None, None, None, None).unwrap(), Filter::default());
        let most = parse(
            Some("year"),
            Some("0"),
            Some("9223372036854775808"),
            Some("baidu"),
        );
        assert_eq!(most.unwrap().max_size, Some(i64::MAX));
        for (period, min, max, drive, field) in [
            (Some("day"), None, None, None, "period"),
            (None, Some("-1"), None, None, "min_size"),
            (None, Some("+1"), None, None, "min_size"),
            (None, Some(""), None, None, "min_size"),
            (None, None, Some("9223372036854775809"), None, "max_size"),
            (None, Some("2"), Some("1"), None, "max_size"),
            (None, None, None, Some("dropbox"), "drive"),
        ] {
            let error = parse(period, min, max, drive).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field);
        }
    }

    #[test]
    fn what_passes_has_a_facet_of_every_list() {
        let sizes = [0, 1, 3, 4, 700, 1 << 30, (1 << 40) + 1, i64::MAX];
        let ages = [0, 6, 7, 8, 29, 30, 31, 181, 183, 364, 366, 2000].map(|days| days * DAY_MS);
        for period in ["all", "week", "month", "half_year", "year"] {
            for min in sizes {
                let min = min.to_string();
                let filter =
                    Filter::parse(Some(period), Some(&min), None, Some("baidu"), NOW).unwrap();
                for (size, age) in sizes.iter().flat_map(|size| ages.map(|age| (*size, age))) {
                    let own = facets_of(Drive::Baidu, size, NOW - age);
                    let has_all = filter
                        .facets()
                        .iter()
                        .all(|list| list.iter().any(|facet| own.contains(facet)));
                    assert!(has_all || !filter.passes(size, Drive::Baidu, NOW - age));
                }
            }
        }
    }
}
