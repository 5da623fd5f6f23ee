//! The current state of everything on the feed, page by page.

use mahnwerk_feed::{SnapshotRow, SnapshotSource, partition};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
};
use prost::Message;
use registry_core::{
    arrangement::{Arrangement, ArrangementKind, Dispute},
    contact::Contact,
    creditor::{Creditor, FxRate},
    debtor::{ContactPoint, Debtor},
};

use super::{
    CONTACT, CONTACT_POINT, CREDITOR, DEBTOR, DISPUTE, FX_RATE, INSTALMENT_PLAN, ITEM, PROMISE,
    arrangement_state, contact_point_id, fx_rate_id,
};
use crate::{
    grpc::{contact::contact_to_wire, convert, convert_arrangement::dispute_to_wire},
    storage::{self, day_number, fx_rate::FxRateKey},
};

/// The snapshots of the registry.
pub struct Snapshot;

#[async_trait::async_trait]
impl SnapshotSource for Snapshot {
    fn entities(&self) -> &'static [&'static str] {
        &[
            CREDITOR,
            FX_RATE,
            DEBTOR,
            CONTACT_POINT,
            CONTACT,
            DISPUTE,
            PROMISE,
            INSTALMENT_PLAN,
            ITEM,
        ]
    }

    async fn page(
        &self,
        db: &Db,
        entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        Ok(match entity {
            CREDITOR => {
                let after = match after {
                    None => "",
                    Some([creditor_id]) => creditor_id,
                    Some(_) => return Err(Error::InvalidPageToken),
                };
                let rows = storage::creditor::list(db, after, limit).await?;
                rows.iter().map(creditor_row).collect()
            }
            FX_RATE => {
                let rows = storage::fx_rate::list_all(db, &fx_rate_key(after)?, limit).await?;
                rows.iter().map(fx_rate_row).collect()
            }
            DEBTOR => {
                let rows = storage::debtor::snapshot_page(db, partitions, after, limit).await?;
                rows.iter().map(debtor_row).collect()
            }
            CONTACT_POINT => {
                let rows =
                    storage::contact_point::snapshot_page(db, partitions, after, limit).await?;
                rows.iter().map(contact_point_row).collect()
            }
            CONTACT => {
                let rows = storage::contact::snapshot_page(db, partitions, after, limit).await?;
                rows.iter().map(contact_row).collect()
            }
            DISPUTE => {
                let rows = storage::dispute::snapshot_page(db, partitions, after, limit).await?;
                rows.iter().map(dispute_row).collect()
            }
            PROMISE => arrangements(db, ArrangementKind::Promise, partitions, after, limit).await?,
            INSTALMENT_PLAN => {
                arrangements(db, ArrangementKind::Plan, partitions, after, limit).await?
            }
            _ => storage::item::snapshot_page(db, partitions, after, limit).await?,
        })
    }
}

async fn arrangements(
    db: &Db,
    kind: ArrangementKind,
    partitions: &[i64],
    after: Option<&[String]>,
    limit: u64,
) -> Result<Vec<SnapshotRow>> {
    let rows = storage::arrangement::snapshot_page(db, kind, partitions, after, limit).await?;
    Ok(rows.iter().map(arrangement_row).collect())
}

fn fx_rate_key(after: Option<&[String]>) -> Result<FxRateKey> {
    match after {
        None => Ok(FxRateKey::before("")),
        Some([creditor_id, base, quote, day]) => Ok(FxRateKey {
            creditor_id: creditor_id.clone(),
            base: base.clone(),
            quote: quote.clone(),
            day: day.parse().map_err(|_| Error::InvalidPageToken)?,
        }),
        Some(_) => Err(Error::InvalidPageToken),
    }
}

fn creditor_row(creditor: &Creditor) -> SnapshotRow {
    SnapshotRow {
        creditor_id: creditor.creditor_id.clone(),
        debtor_id: String::new(),
        entity_id: creditor.creditor_id.clone(),
        version: creditor.version,
        state: convert::creditor_to_wire(creditor).encode_to_vec(),
        key: vec![creditor.creditor_id.clone()],
    }
}

fn fx_rate_row(rate: &FxRate) -> SnapshotRow {
    SnapshotRow {
        creditor_id: rate.creditor_id.clone(),
        debtor_id: String::new(),
        entity_id: fx_rate_id(rate),
        version: rate.version,
        state: convert::fx_rate_to_wire(rate).encode_to_vec(),
        key: vec![
            rate.creditor_id.clone(),
            rate.base.code().to_owned(),
            rate.quote.code().to_owned(),
            day_number(rate.date).to_string(),
        ],
    }
}

fn debtor_row(debtor: &Debtor) -> SnapshotRow {
    SnapshotRow {
        creditor_id: debtor.creditor_id.clone(),
        debtor_id: debtor.debtor_id.clone(),
        entity_id: debtor.debtor_id.clone(),
        version: debtor.version,
        state: convert::debtor_to_wire(debtor).encode_to_vec(),
        key: vec![
            partition(&debtor.creditor_id, &debtor.debtor_id).to_string(),
            debtor.creditor_id.clone(),
            debtor.debtor_id.clone(),
        ],
    }
}

fn contact_point_row(contact_point: &ContactPoint) -> SnapshotRow {
    SnapshotRow {
        creditor_id: contact_point.creditor_id.clone(),
        debtor_id: contact_point.debtor_id.clone(),
        entity_id: contact_point_id(contact_point),
        version: contact_point.version,
        state: convert::contact_point_to_wire(contact_point).encode_to_vec(),
        key: vec![
            partition(&contact_point.creditor_id, &contact_point.debtor_id).to_string(),
            contact_point.creditor_id.clone(),
            contact_point.debtor_id.clone(),
            contact_point.contact_point_id.clone(),
        ],
    }
}

fn contact_row(contact: &Contact) -> SnapshotRow {
    SnapshotRow {
        creditor_id: contact.creditor_id.clone(),
        debtor_id: contact.debtor_id.clone(),
        entity_id: contact.contact_id.clone(),
        version: 1,
        state: contact_to_wire(contact).encode_to_vec(),
        key: vec![
            partition(&contact.creditor_id, &contact.debtor_id).to_string(),
            contact.creditor_id.clone(),
            contact.contact_id.clone(),
        ],
    }
}

fn dispute_row(dispute: &Dispute) -> SnapshotRow {
    let claim = &dispute.claim;
    SnapshotRow {
        creditor_id: claim.creditor_id.clone(),
        debtor_id: dispute.debtor_id.clone(),
        entity_id: claim.dispute_id.clone(),
        version: dispute.version,
        state: dispute_to_wire(dispute).encode_to_vec(),
        key: vec![
            partition(&claim.creditor_id, &dispute.debtor_id).to_string(),
            claim.creditor_id.clone(),
            claim.dispute_id.clone(),
        ],
    }
}

fn arrangement_row(arrangement: &Arrangement) -> SnapshotRow {
    SnapshotRow {
        creditor_id: arrangement.creditor_id.clone(),
        debtor_id: arrangement.debtor_id.clone(),
        entity_id: arrangement.id.clone(),
        version: arrangement.version,
        state: arrangement_state(arrangement),
        key: vec![
            partition(&arrangement.creditor_id, &arrangement.debtor_id).to_string(),
            arrangement.creditor_id.clone(),
            arrangement.id.clone(),
        ],
    }
}
