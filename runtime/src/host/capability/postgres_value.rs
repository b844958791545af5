//! Values between `spin:postgres` and PostgreSQL's binary format. Decimals and ranges are left out:
//! a component casts them to text.

use super::bindings::spin::postgres::postgres::{
    Column, DbDataType, DbValue, Interval, ParameterValue,
};
use bytes::{Buf, BufMut, BytesMut};
use jiff::Span;
use jiff::civil::{Date, DateTime, Time, date};
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Failure = Box<dyn Error + Sync + Send>;

/// Day 0 of PostgreSQL's dates and times.
const EPOCH: Date = date(2000, 1, 1);
/// The same in seconds of the Unix epoch.
const EPOCH_UNIX_S: i64 = 946_684_800;
/// Before every value in a JSONB.
const JSONB_VERSION: u8 = 1;

pub fn column_of(column: &tokio_postgres::Column) -> Column {
    let data_type = match *column.type_() {
        Type::BOOL => DbDataType::Boolean,
        Type::BYTEA => DbDataType::Binary,
        Type::FLOAT4 => DbDataType::Floating32,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DbDataType::Str,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => DbDataType::Datetime,
        Type::DATE => DbDataType::Date,
        Type::TIME => DbDataType::Time,
        Type::UUID => DbDataType::Uuid,
        Type::JSONB => DbDataType::Jsonb,
        Type::INT4_ARRAY => DbDataType::ArrayInt32,
        Type::INT8_ARRAY => DbDataType::ArrayInt64,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => DbDataType::ArrayStr,
        Type::INTERVAL => DbDataType::Interval,
        ref other => DbDataType::Other(other.name().to_owned()),
    };
    Column {
        name: column.name().to_owned(),
        data_type,
    }
}

pub fn value_of(row: &Row, index: usize) -> Result<DbValue, tokio_postgres::Error> {
    match *row.columns()[index].type_() {
        Type::BOOL => get(row, index, DbValue::Boolean),
        Type::BYTEA => get(row, index, DbValue::Binary),
        Type::FLOAT4 => get(row, index, DbValue::Floating32),
        Type::FLOAT8 => get(row, index, DbValue::Floating64),
        Type::INT2 => get(row, index, DbValue::Int16),
        Type::INT4 => get(row, index, DbValue::Int32),
        Type::INT8 => get(row, index, DbValue::Int64),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => get(row, index, DbValue::Str),
        Type::INT4_ARRAY => get(row, index, DbValue::ArrayInt32),
        Type::INT8_ARRAY => get(row, index, DbValue::ArrayInt64),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => {
            get(row, index, DbValue::ArrayStr)
        }
        _ => get(row, index, |Other(value)| value),
    }
}

/// What a value takes beyond its own size, roughly.
pub fn payload_bytes(value: &DbValue) -> usize {
    match value {
        DbValue::Str(text) | DbValue::Uuid(text) => text.len(),
        DbValue::Binary(bytes) | DbValue::Jsonb(bytes) | DbValue::Unsupported(bytes) => bytes.len(),
        DbValue::ArrayInt32(list) => list.len() * size_of::<Option<i32>>(),
        DbValue::ArrayInt64(list) => list.len() * size_of::<Option<i64>>(),
        DbValue::ArrayStr(list) => list
            .iter()
            .map(|text| size_of::<Option<String>>() + text.as_ref().map_or(0, String::len))
            .sum(),
        _ => 0,
    }
}

fn get<'a, T: FromSql<'a>>(
    row: &'a Row,
    index: usize,
    wrap: impl Fn(T) -> DbValue,
) -> Result<DbValue, tokio_postgres::Error> {
    let value: Option<T> = row.try_get(index)?;
    Ok(value.map_or(DbValue::DbNull, wrap))
}

/// What `tokio-postgres` does not read by itself.
struct Other(DbValue);

impl FromSql<'_> for Other {
    fn from_sql(kind: &Type, raw: &[u8]) -> Result<Self, Failure> {
        Ok(Self(match *kind {
            Type::DATE => {
                let day = EPOCH.checked_add(Span::new().try_days(read_i32(raw)?)?)?;
                DbValue::Date((
                    day.year().into(),
                    unsigned(day.month()),
                    unsigned(day.day()),
                ))
            }
            Type::TIME => {
                let moment = at(read_i64(raw)?)?.time();
                let (hour, minute, second, nanosecond) = clock(moment);
                DbValue::Time((hour, minute, second, nanosecond))
            }
            Type::TIMESTAMP | Type::TIMESTAMPTZ => {
                let moment = at(read_i64(raw)?)?;
                let day = moment.date();
                let (hour, minute, second, nanosecond) = clock(moment.time());
                DbValue::Datetime((
                    day.year().into(),
                    unsigned(day.month()),
                    unsigned(day.day()),
                    hour,
                    minute,
                    second,
                    nanosecond,
                ))
            }
            Type::UUID => DbValue::Uuid(uuid::Uuid::from_slice(raw)?.to_string()),
            Type::JSONB => match raw.split_first() {
                Some((&JSONB_VERSION, json)) => DbValue::Jsonb(json.to_vec()),
                _ => return Err("unknown JSONB version".into()),
            },
            Type::INTERVAL if raw.len() == 16 => {
                let mut raw = raw;
                DbValue::Interval(Interval {
                    micros: raw.get_i64(),
                    days: raw.get_i32(),
                    months: raw.get_i32(),
                })
            }
            _ => DbValue::Unsupported(raw.to_vec()),
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn read_i32(raw: &[u8]) -> Result<i32, Failure> {
    Ok(i32::from_be_bytes(raw.try_into()?))
}

fn read_i64(raw: &[u8]) -> Result<i64, Failure> {
    Ok(i64::from_be_bytes(raw.try_into()?))
}

/// The moment this many microseconds after the epoch.
fn at(microseconds: i64) -> Result<DateTime, Failure> {
    let span = Span::new().try_microseconds(microseconds)?;
    Ok(EPOCH.to_datetime(Time::midnight()).checked_add(span)?)
}

fn clock(time: Time) -> (u8, u8, u8, u32) {
    (
        unsigned(time.hour()),
        unsigned(time.minute()),
        unsigned(time.second()),
        time.subsec_nanosecond().unsigned_abs(),
    )
}

/// Months, days, hours… are never negative.
fn unsigned(number: i8) -> u8 {
    number.unsigned_abs()
}

/// A parameter; as strict about types as Spin, except that NULL fits all.
#[derive(Debug)]
pub struct Parameter(pub ParameterValue);

impl ToSql for Parameter {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match &self.0 {
            ParameterValue::DbNull => Ok(IsNull::Yes),
            ParameterValue::Boolean(value) => value.to_sql_checked(kind, out),
            ParameterValue::Int8(value) => value.to_sql_checked(kind, out),
            ParameterValue::Int16(value) => value.to_sql_checked(kind, out),
            ParameterValue::Int32(value) => value.to_sql_checked(kind, out),
            ParameterValue::Int64(value) => value.to_sql_checked(kind, out),
            ParameterValue::Floating32(value) => value.to_sql_checked(kind, out),
            ParameterValue::Floating64(value) => value.to_sql_checked(kind, out),
            ParameterValue::Str(value) => value.to_sql_checked(kind, out),
            ParameterValue::Binary(value) => value.to_sql_checked(kind, out),
            ParameterValue::ArrayInt32(value) => value.to_sql_checked(kind, out),
            ParameterValue::ArrayInt64(value) => value.to_sql_checked(kind, out),
            ParameterValue::ArrayStr(value) => value.to_sql_checked(kind, out),
            other => write_other(other, kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // The value decides, in `to_sql`.
        true
    }

    to_sql_checked!();
}

fn write_other(value: &ParameterValue, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
    let fits = |kinds: &[Type]| -> Result<(), Failure> {
        if kinds.contains(kind) {
            return Ok(());
        }
        Err(format!("the parameter does not fit the type {kind}").into())
    };
    const MOMENTS: [Type; 2] = [Type::TIMESTAMP, Type::TIMESTAMPTZ];
    match value {
        ParameterValue::Date((year, month, day)) => {
            fits(&[Type::DATE])?;
            let day = day_of(*year, *month, *day)?;
            out.put_i32(EPOCH.until((jiff::Unit::Day, day))?.get_days());
        }
        ParameterValue::Time((hour, minute, second, nanosecond)) => {
            fits(&[Type::TIME])?;
            let time = time_of(*hour, *minute, *second, *nanosecond)?;
            out.put_i64(microseconds_since_epoch(EPOCH.to_datetime(time))?);
        }
        ParameterValue::Datetime((year, month, day, hour, minute, second, nanosecond)) => {
            fits(&MOMENTS)?;
            let time = time_of(*hour, *minute, *second, *nanosecond)?;
            let moment = day_of(*year, *month, *day)?.to_datetime(time);
            out.put_i64(microseconds_since_epoch(moment)?);
        }
        ParameterValue::Timestamp(seconds) => {
            fits(&MOMENTS)?;
            let seconds = seconds.checked_sub(EPOCH_UNIX_S);
            let microseconds = seconds.and_then(|seconds| seconds.checked_mul(1_000_000));
            out.put_i64(microseconds.ok_or("the timestamp is out of range")?);
        }
        ParameterValue::Uuid(text) => {
            fits(&[Type::UUID])?;
            out.put_slice(uuid::Uuid::try_parse(text)?.as_bytes());
        }
        ParameterValue::Jsonb(json) => {
            fits(&[Type::JSONB])?;
            out.put_u8(JSONB_VERSION);
            out.put_slice(json);
        }
        ParameterValue::Interval(interval) => {
            fits(&[Type::INTERVAL])?;
            out.put_i64(interval.micros);
            out.put_i32(interval.days);
            out.put_i32(interval.months);
        }
        _ => return Err("this runner takes decimals and ranges as text only".into()),
    }
    Ok(IsNull::No)
}

fn day_of(year: i32, month: u8, day: u8) -> Result<Date, Failure> {
    Ok(Date::new(
        year.try_into()?,
        month.try_into()?,
        day.try_into()?,
    )?)
}

fn time_of(hour: u8, minute: u8, second: u8, nanosecond: u32) -> Result<Time, Failure> {
    Ok(Time::new(
        hour.try_into()?,
        minute.try_into()?,
        second.try_into()?,
        nanosecond.try_into()?,
    )?)
}

fn microseconds_since_epoch(moment: DateTime) -> Result<i64, Failure> {
    let start = EPOCH.to_datetime(Time::midnight());
    Ok(start.duration_until(moment).as_micros().try_into()?)
}
