//! SQL: rows to domain values and back. Functions take the pool or a transaction and decide nothing.

pub mod approval;
pub mod arrangement;
pub mod contact;
pub mod contact_point;
pub mod creditor;
pub mod debtor;
pub mod dispute;
pub mod entry;
pub mod fx_rate;
pub mod import;
pub mod item;
pub mod measure;
pub mod timeline;

use chrono::NaiveDate;
use mahnwerk_runtime::{
    db::column,
    error::{Error, Result},
};
use registry_core::date;
use sea_orm::QueryResult;

/// A column that holds the stable name of something.
pub(crate) fn named<T>(
    row: &QueryResult,
    name: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T> {
    parse(&column::<String>(row, name)?).ok_or_else(|| unreadable(name))
}

/// A column that holds a day number.
pub(crate) fn day(row: &QueryResult, name: &'static str) -> Result<NaiveDate> {
    from_day(column(row, name)?, name)
}

/// A column that holds a day number, or null.
pub(crate) fn opt_day(row: &QueryResult, name: &'static str) -> Result<Option<NaiveDate>> {
    column::<Option<i64>>(row, name)?
        .map(|number| from_day(number, name))
        .transpose()
}

/// The day number of a date, as stored.
pub(crate) fn day_number(day: NaiveDate) -> i64 {
    i64::from(date::day_number(day))
}

fn from_day(number: i64, name: &'static str) -> Result<NaiveDate> {
    i32::try_from(number)
        .ok()
        .and_then(date::from_day_number)
        .ok_or_else(|| unreadable(name))
}

fn unreadable(name: &'static str) -> Error {
    Error::internal(format!("column {name} holds a value that is not known"))
}

/// The partitions that a snapshot page still has to read, each with the key after which to go on: that of `after`
/// (partition, then key) for the partition it names, nothing before, empty texts (below every key) later.
///
/// # Errors
/// `InvalidPageToken` if `after` is no such key.
pub(crate) fn partitions_after<const N: usize>(
    partitions: &[i64],
    after: Option<&[String]>,
) -> Result<Vec<(i64, [String; N])>> {
    let first = || std::array::from_fn(|_| String::new());
    let (reached, key) = match after.and_then(<[String]>::split_first) {
        None if after.is_some() => return Err(Error::InvalidPageToken),
        None => (i64::MIN, first()),
        Some((part, key)) => (
            part.parse().map_err(|_| Error::InvalidPageToken)?,
            key.to_vec()
                .try_into()
                .map_err(|_| Error::InvalidPageToken)?,
        ),
    };
    let mut left: Vec<_> = partitions
        .iter()
        .copied()
        .filter(|part| *part >= reached)
        .collect();
    left.sort_unstable();
    Ok(left
        .into_iter()
        .map(|part| {
            (
                part,
                if part == reached {
                    key.clone()
                } else {
                    first()
                },
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(after: Option<&[&str]>) -> Option<Vec<(i64, [String; 2])>> {
        let after: Option<Vec<_>> =
            after.map(|key| key.iter().map(|part| (*part).to_owned()).collect());
        partitions_after(&[9, 3, 5], after.as_deref()).ok()
    }

    #[test]
    fn a_snapshot_goes_on_within_the_partition_it_reached() {
        let at =
            |part, creditor: &str, debtor: &str| (part, [creditor.to_owned(), debtor.to_owned()]);
        let all = vec![at(3, "", ""), at(5, "", ""), at(9, "", "")];
        assert_eq!(left(None), Some(all));
        assert_eq!(
            left(Some(&["5", "c", "d"])),
            Some(vec![at(5, "c", "d"), at(9, "", "")])
        );
        // The partition reached may be read by somebody else by now.
        assert_eq!(left(Some(&["6", "c", "d"])), Some(vec![at(9, "", "")]));
    }

    #[test]
    fn a_key_that_no_snapshot_made_is_refused() {
        for key in [
            &[][..],
            &["5"],
            &["5", "c"],
            &["five", "c", "d"],
            &["5", "c", "d", "e"],
        ] {
            assert_eq!(left(Some(key)), None, "{key:?}");
        }
    }
}
