//! Arguments of `audit`.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Args;

use super::Service;

#[derive(Args)]
pub(crate) struct AuditArgs {
    /// The creditor
    #[arg(long, value_name = "ID")]
    pub(crate) creditor: String,
    /// Of one service [default: of all]
    #[arg(long, value_enum)]
    pub(crate) service: Option<Service>,
    /// What was done to this debtor's things; makes it fast
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) debtor: String,
    /// What was done to this kind of thing: item, notice, run, …
    #[arg(
        long,
        value_name = "KIND",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) entity: String,
    /// What was done to the thing with this key
    #[arg(
        long,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) id: String,
    /// What this caller did
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) principal: String,
    /// What the call with this request id did
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) request: String,
    /// What was done under this trace id
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) trace: String,
    /// Not before this time (YYYY-MM-DD, or with a time as in 2026-01-31T08:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<DateTime<Utc>>,
    /// So many rows at most, the oldest first
    #[arg(long, value_name = "ROWS", default_value_t = 1_000)]
    pub(crate) limit: usize,
}

/// Reads a moment; a day stands for its beginning in UTC.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| "must be a date, or a time as in 2026-01-31T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_read() {
        let seconds = |text| moment(text).map(|time| time.timestamp());
        assert_eq!(seconds("1970-01-02"), Ok(86_400));
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), Ok(0));
        for text in ["", "yesterday", "2026-02-30", "2026-01-31 08:00"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
