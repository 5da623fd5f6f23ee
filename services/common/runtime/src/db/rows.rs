//! Many rows as one table expression in a statement, the same text on both engines.
//!
//! Set-based writing needs "these thousand rows" inside `INSERT … SELECT`, `UPDATE … FROM` and joins. PostgreSQL takes
//! them as one array per column (`unnest`), SQLite as one JSON document (`json_each`). Either way the statement text
//! does not depend on the number of rows, so it is prepared once.

use sea_orm::{DbBackend, Value};

/// sea-orm's arrays cannot hold nulls, so in an array a null travels as one of these. None of them is a value that any
/// table holds: texts have no control characters of this kind, numbers are far from the limits, and no encoded message
/// begins with a zero byte.
const NULL_TEXT: &str = "\u{1}null";
const NULL_INT: i64 = i64::MIN;
const NULL_BYTES: &[u8] = b"\0null";

enum Column {
    Text(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }
}

/// Rows to be used as a table in a statement. All columns must have the same length.
#[derive(Default)]
pub struct Rows {
    columns: Vec<(&'static str, Column)>,
}

impl Rows {
    /// No columns yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text column.
    #[must_use]
    pub fn text<S: Into<String>>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        self.opt_text(name, values.into_iter().map(Some))
    }

    /// Adds a text column that may be null.
    #[must_use]
    pub fn opt_text<S: Into<String>>(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = Option<S>>,
    ) -> Self {
        let values = values.into_iter().map(|value| value.map(Into::into));
        self.columns.push((name, Column::Text(values.collect())));
        self
    }

    /// Adds an integer column (`BIGINT`).
    #[must_use]
    pub fn int<I: Into<i64>>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = I>,
    ) -> Self {
        self.opt_int(name, values.into_iter().map(Some))
    }

    /// Adds an integer column that may be null.
    #[must_use]
    pub fn opt_int<I: Into<i64>>(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = Option<I>>,
    ) -> Self {
        let values = values.into_iter().map(|value| value.map(Into::into));
        self.columns.push((name, Column::Int(values.collect())));
        self
    }

    /// Adds a column of bytes that may be null.
    #[must_use]
    pub fn opt_bytes(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = Option<Vec<u8>>>,
    ) -> Self {
        self.columns
            .push((name, Column::Bytes(values.into_iter().collect())));
        self
    }

    /// Names of the columns, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|(name, _)| *name)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table expression, to be followed by `AS alias`, whose parameters start at number `first`. Pair it with
    /// [`Rows::into_values`].
    #[must_use]
    pub fn table(&self, backend: DbBackend, first: usize) -> String {
        debug_assert!(
            self.columns
                .iter()
                .all(|(_, column)| column.len() == self.len()),
            "columns of different length"
        );
        if backend == DbBackend::Postgres {
            let mut arrays = Vec::new();
            let mut names = Vec::new();
            let mut outputs = Vec::new();
            for (index, (name, column)) in self.columns.iter().enumerate() {
                let (kind, null) = match column {
                    Column::Text(_) => ("text", r"E'\x01null'"),
                    Column::Int(_) => ("bigint", "'-9223372036854775808'"),
                    Column::Bytes(_) => ("bytea", r"'\x006e756c6c'"),
                };
                arrays.push(format!("${}::{kind}[]", first + index));
                names.push(*name);
                outputs.push(if column.has_null() {
                    format!("nullif({name}, {null}::{kind}) AS {name}")
                } else {
                    (*name).to_owned()
                });
            }
            format!(
                "(SELECT {} FROM unnest({}) AS u({}))",
                outputs.join(", "),
                arrays.join(", "),
                names.join(", ")
            )
        } else {
            let columns: Vec<_> = self
                .columns
                .iter()
                .enumerate()
                .map(|(index, (name, column))| {
                    let value = format!("json_extract(value, '$[{index}]')");
                    match column {
                        Column::Bytes(_) => format!("unhex({value}) AS {name}"),
                        Column::Text(_) | Column::Int(_) => format!("{value} AS {name}"),
                    }
                })
                .collect();
            format!("(SELECT {} FROM json_each(${first}))", columns.join(", "))
        }
    }

    /// How many parameters [`Rows::table`] uses.
    #[must_use]
    pub fn parameters(&self, backend: DbBackend) -> usize {
        if backend == DbBackend::Postgres {
            self.columns.len()
        } else {
            1
        }
    }

    /// The parameters of [`Rows::table`].
    #[must_use]
    pub fn into_values(self, backend: DbBackend) -> Vec<Value> {
        if backend == DbBackend::Postgres {
            self.columns
                .into_iter()
                .map(|(_, column)| column.into_array())
                .collect()
        } else {
            vec![Value::from(self.into_json())]
        }
    }

    fn into_json(self) -> String {
        let rows = self.len();
        let mut columns: Vec<_> = self
            .columns
            .into_iter()
            .map(|(_, column)| column.into_json().into_iter())
            .collect();
        let rows: Vec<_> = (0..rows)
            .map(|_| {
                serde_json::Value::Array(
                    columns
                        .iter_mut()
                        .map(|column| column.next().unwrap_or_default())
                        .collect(),
                )
            })
            .collect();
        serde_json::Value::Array(rows).to_string()
    }
}

impl Column {
    fn has_null(&self) -> bool {
        match self {
            Self::Text(values) => values.iter().any(Option::is_none),
            Self::Int(values) => values.iter().any(Option::is_none),
            Self::Bytes(values) => values.iter().any(Option::is_none),
        }
    }

    fn into_array(self) -> Value {
        fn fill<T>(values: Vec<Option<T>>, null: impl Fn() -> T) -> Vec<T> {
            values
                .into_iter()
                .map(|value| value.unwrap_or_else(&null))
                .collect()
        }
        match self {
            Self::Text(values) => Value::from(fill(values, || NULL_TEXT.to_owned())),
            Self::Int(values) => Value::from(fill(values, || NULL_INT)),
            Self::Bytes(values) => Value::from(fill(values, || NULL_BYTES.to_vec())),
        }
    }

    fn into_json(self) -> Vec<serde_json::Value> {
        fn convert<T>(
            values: Vec<Option<T>>,
            value: impl Fn(T) -> serde_json::Value,
        ) -> Vec<serde_json::Value> {
            values
                .into_iter()
                .map(|each| each.map_or(serde_json::Value::Null, &value))
                .collect()
        }
        match self {
            Self::Text(values) => convert(values, serde_json::Value::from),
            Self::Int(values) => convert(values, serde_json::Value::from),
            Self::Bytes(values) => convert(values, |bytes| {
                use std::fmt::Write;
                let mut hex = String::with_capacity(bytes.len() * 2);
                for byte in bytes {
                    let _ = write!(hex, "{byte:02x}");
                }
                serde_json::Value::from(hex)
            }),
        }
    }
}
