//! What the registry reads for its metrics.

use mahnwerk_feed::{Measure, Publisher};
use mahnwerk_runtime::{
    error::Result,
    telemetry::{Figure, KeyValue, names},
};
use sea_orm::DatabaseTransaction;

use crate::storage::measure;

const MICROS_PER_DAY: i64 = 24 * 3_600 * 1_000_000;

/// How old the business days are.
pub struct Measures;

#[async_trait::async_trait]
impl Measure for Measures {
    async fn figures(
        &self,
        publisher: &Publisher,
        on: &DatabaseTransaction,
    ) -> Result<Vec<Figure>> {
        let now = publisher.clock().now();
        let oldest = measure::oldest_business_days(on).await?;
        let age = oldest.into_iter().map(|(mode, day)| {
            let mode = KeyValue::new(names::MODE, mode.name());
            let age = now.saturating_sub(day.saturating_mul(MICROS_PER_DAY));
            Figure::age(names::BUSINESS_DAY_AGE, vec![mode], Some(age))
        });
        Ok(age.collect())
    }
}
