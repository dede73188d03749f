//! The column types of contracts and models: the eight that DataFusion, Delta and DuckDB read alike.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DataType, TimeUnit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The type of a column, written as in SQL: `VARCHAR`, `DECIMAL(18,2)`, …
///
/// `Timestamp` is microseconds without zone: the wall clock in the project's time zone, so that a
/// cast to `DATE` is the business day in every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    Varchar,
    Boolean,
    Integer,
    Bigint,
    Double,
    /// Precision (1..=38) and scale (0..=precision).
    Decimal(u8, i8),
    Date,
    Timestamp,
}

/// A type name that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a column type; use VARCHAR, BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL(p,s) with p up to 38, DATE or TIMESTAMP"
)]
pub struct UnknownType {
    pub found: String,
}

impl ColumnType {
    /// The Arrow type a column has in memory and in Parquet.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Varchar => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int32,
            Self::Bigint => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// Whether every value of another type is a value of this one, exactly.
    pub fn holds(self, other: Self) -> bool {
        // Digits before and after the point.
        let digits = |kind: Self| match kind {
            Self::Integer => Some((10, 0)),
            Self::Bigint => Some((19, 0)),
            Self::Decimal(precision, scale) => Some((i32::from(precision) - i32::from(scale), i32::from(scale))),
            _ => None,
        };
        match (self, other) {
            (one, other) if one == other => true,
            (Self::Bigint, Self::Integer) | (Self::Double, Self::Integer) | (Self::Timestamp, Self::Date) => true,
            (Self::Decimal(..), other) => match (digits(self), digits(other)) {
                (Some((whole, fraction)), Some((other_whole, other_fraction))) => {
                    whole >= other_whole && fraction >= other_fraction
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The column type an Arrow type is stored as, or `None` where no column may have it.
    /// The three text layouts of Arrow are one `VARCHAR`.
    pub fn from_arrow(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Some(Self::Varchar),
            DataType::Boolean => Some(Self::Boolean),
            DataType::Int32 => Some(Self::Integer),
            DataType::Int64 => Some(Self::Bigint),
            DataType::Float64 => Some(Self::Double),
            DataType::Decimal128(precision, scale) => Some(Self::Decimal(*precision, *scale)),
            DataType::Date32 => Some(Self::Date),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Some(Self::Timestamp),
            _ => None,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Varchar => f.write_str("VARCHAR"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Integer => f.write_str("INTEGER"),
            Self::Bigint => f.write_str("BIGINT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal(precision, scale) => write!(f, "DECIMAL({precision},{scale})"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
        }
    }
}

impl FromStr for ColumnType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let unknown = || UnknownType { found: text.to_owned() };
        let upper = text.trim().to_ascii_uppercase();
        match upper.as_str() {
            "VARCHAR" | "TEXT" | "STRING" => return Ok(Self::Varchar),
            "BOOLEAN" | "BOOL" => return Ok(Self::Boolean),
            "INTEGER" | "INT" => return Ok(Self::Integer),
            "BIGINT" => return Ok(Self::Bigint),
            "DOUBLE" => return Ok(Self::Double),
            "DATE" => return Ok(Self::Date),
            "TIMESTAMP" => return Ok(Self::Timestamp),
            _ => {}
        }
        let inner = upper.strip_prefix("DECIMAL(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(unknown)?;
        let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
        let precision: u8 = precision.trim().parse().map_err(|_| unknown())?;
        let scale: i8 = scale.trim().parse().map_err(|_| unknown())?;
        if !(1..=38).contains(&precision) || scale < 0 || scale as u8 > precision {
            return Err(unknown());
        }
        Ok(Self::Decimal(precision, scale))
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A column type of SQL.",
            "anyOf": [
                { "enum": ["VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP"] },
                { "pattern": "^DECIMAL\\([0-9]{1,2}, ?[0-9]{1,2}\\)$" }
            ]
        })
    }
}

/// A time zone by its IANA name: `Europe/Madrid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(pub chrono_tz::Tz);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            serde::de::Error::custom(format!("`{text}` is not a time zone; use an IANA name such as Europe/Madrid"))
        })
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0.name())
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "TimeZone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An IANA time zone name.", "examples": ["Europe/Madrid"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_what_it_prints() {
        for text in ["VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DECIMAL(18,2)", "DATE", "TIMESTAMP"] {
            let parsed: ColumnType = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(ColumnType::from_arrow(&parsed.arrow()), Some(parsed));
        }
    }

    #[test]
    fn impossible_decimals_are_refused() {
        for text in ["DECIMAL(39,2)", "DECIMAL(2,3)", "DECIMAL(0,0)", "DECIMAL", "MONEY"] {
            assert!(text.parse::<ColumnType>().is_err(), "{text}");
        }
    }
}
