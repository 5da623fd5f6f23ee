//! Arguments of `doctor`.

use chrono::NaiveDate;
use clap::Args;

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// How long the feeds may take to catch up with what was there at the beginning
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=3_600))]
    pub(crate) patience: u32,
    /// Look at so many creditors at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) creditors: u16,
    /// The day by which business dates and rates are judged (YYYY-MM-DD) [default: today]
    #[arg(long, value_name = "DATE")]
    pub(crate) today: Option<NaiveDate>,
}
