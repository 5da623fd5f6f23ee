//! What holds for all runs of a creditor.

use dunning_core::input::WhenStale;
use mahnwerk_runtime::{
    db::{Sql, column},
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};

/// Settings of a creditor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DunningSettings {
    /// Most calendar days since the last bank import; `None` for no limit.
    pub max_bank_import_age_days: Option<u16>,
    /// What to do when it is longer ago.
    pub when_stale: WhenStale,
    /// Printed at the head of notices; empty: the creditor's name.
    pub sender: String,
    /// Printed on notices.
    pub payment_details: String,
    /// The address that e-mails come from; empty: none are sent.
    pub email_from: String,
    /// Whether another must release what one proposed. Left out where it says nothing new, so that calls and answers from
    /// before it was there stay what they were.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub four_eyes_release: bool,
    /// Grows with every change; 0 before the first.
    pub version: i64,
}

impl Default for DunningSettings {
    fn default() -> Self {
        Self {
            max_bank_import_age_days: None,
            when_stale: WhenStale::Withhold,
            sender: String::new(),
            payment_details: String::new(),
            email_from: String::new(),
            four_eyes_release: false,
            version: 0,
        }
    }
}

const WITHHOLD: &str = "WITHHOLD";
const MARK: &str = "MARK";

/// The settings of a creditor, those at the begin if it never set any.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str) -> Result<DunningSettings> {
    let row = on
        .query_one(
            "SELECT max_bank_import_age_days, when_stale, sender, payment_details, email_from, \
             four_eyes_release, version FROM dunning_settings WHERE creditor_id = $1",
            vec![creditor_id.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(DunningSettings::default());
    };
    let days: Option<i64> = column(&row, "max_bank_import_age_days")?;
    let days = days.map(u16::try_from).transpose();
    let when_stale: String = column(&row, "when_stale")?;
    Ok(DunningSettings {
        max_bank_import_age_days: days.map_err(|error| Error::Internal(Box::new(error)))?,
        when_stale: match when_stale.as_str() {
            WITHHOLD => WhenStale::Withhold,
            MARK => WhenStale::Mark,
            _ => return Err(Error::internal("a stored setting of no known kind")),
        },
        sender: column(&row, "sender")?,
        payment_details: column(&row, "payment_details")?,
        email_from: column(&row, "email_from")?,
        four_eyes_release: column::<i64>(&row, "four_eyes_release")? == 1,
        version: column(&row, "version")?,
    })
}

/// Stores settings in place of those before.
///
/// # Errors
/// Those of the database.
pub async fn put(on: &impl Sql, creditor_id: &str, settings: &DunningSettings) -> Result<()> {
    let when_stale = match settings.when_stale {
        WhenStale::Withhold => WITHHOLD,
        WhenStale::Mark => MARK,
    };
    on.execute_sql(
        "INSERT INTO dunning_settings (creditor_id, max_bank_import_age_days, when_stale, sender, payment_details, \
         email_from, four_eyes_release, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (creditor_id) DO UPDATE SET \
         max_bank_import_age_days = excluded.max_bank_import_age_days, when_stale = excluded.when_stale, \
         sender = excluded.sender, payment_details = excluded.payment_details, email_from = excluded.email_from, \
         four_eyes_release = excluded.four_eyes_release, version = excluded.version",
        vec![
            creditor_id.into(),
            settings.max_bank_import_age_days.map(i64::from).into(),
            when_stale.into(),
            settings.sender.as_str().into(),
            settings.payment_details.as_str().into(),
            settings.email_from.as_str().into(),
            i64::from(settings.four_eyes_release).into(),
            settings.version.into(),
        ],
    )
    .await?;
    Ok(())
}
