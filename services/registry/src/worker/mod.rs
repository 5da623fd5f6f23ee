//! What happens without being asked.

pub mod business_day;
pub mod measure;
