//! Schemes for tests, and ways to activate them.

use std::hash::{DefaultHasher, Hasher as _};

use mahnwerk_proto::segmentation::v1::{
    ActivateSchemeRequest, ActivationState, CreateSchemeRevisionRequest, GetActivationRequest,
    GetMembershipsRequest, Membership, Scheme, Segment,
};
use prost::Message as _;
use tonic::Status;

use crate::suite::{SegmentationClients, patiently};

/// A scheme of two segments: `yes` where the condition holds, `no` elsewhere. Nobody has to stay.
#[must_use]
pub fn two_segments(creditor_id: &str, scheme_id: &str, condition: &str) -> Scheme {
    let segment = |id: &str, condition: &str| Segment {
        segment_id: id.to_owned(),
        display_name: id.to_owned(),
        condition: condition.to_owned(),
        policy: None,
    };
    Scheme {
        creditor_id: creditor_id.to_owned(),
        scheme_id: scheme_id.to_owned(),
        display_name: scheme_id.to_owned(),
        minimum_stay_days: 0,
        segments: vec![segment("yes", condition)],
        default_segment: Some(segment("no", "")),
        unclassified_segment: Some(segment("unclassified", "")),
        ..Scheme::default()
    }
}

/// Creates the next revision of a scheme, once for the same content, and returns its number.
pub async fn create_revision(clients: &SegmentationClients, scheme: Scheme) -> i32 {
    let mut content = DefaultHasher::new();
    content.write(&scheme.encode_to_vec());
    let request_id = format!("create-{:x}", content.finish());
    let created = patiently(async || {
        let request = CreateSchemeRevisionRequest {
            request_id: request_id.clone(),
            scheme: Some(scheme.clone()),
            validate_only: false,
        };
        clients
            .schemes
            .clone()
            .create_scheme_revision(request)
            .await
    })
    .await;
    created.into_inner().scheme.expect("a scheme").revision
}

/// Activates a revision and waits until everybody is where it says.
///
/// # Panics
/// If the activation is refused.
pub async fn activate(
    clients: &SegmentationClients,
    creditor_id: &str,
    scheme_id: &str,
    revision: i32,
) {
    let begun = patiently(async || {
        clients
            .schemes
            .clone()
            .activate_scheme(ActivateSchemeRequest {
                request_id: format!("activate-{creditor_id}-{scheme_id}-{revision}"),
                creditor_id: creditor_id.to_owned(),
                scheme_id: scheme_id.to_owned(),
                revision,
                max_error_ppm: 0,
            })
            .await
    })
    .await;
    let at_least = begun.into_inner().consistency_token;
    patiently(async || {
        let found = clients
            .schemes
            .clone()
            .get_activation(GetActivationRequest {
                creditor_id: creditor_id.to_owned(),
                scheme_id: scheme_id.to_owned(),
                at_least: at_least.clone(),
            })
            .await?;
        let activation = found.into_inner().activation.expect("an activation");
        match activation.state() {
            ActivationState::Done => Ok(()),
            ActivationState::Refused => panic!("the activation is refused: {activation:?}"),
            _ => Err(Status::unavailable("the activation is not done")),
        }
    })
    .await;
}

/// The membership of a debtor in a scheme that contains the write of a token.
pub async fn membership(
    clients: &SegmentationClients,
    creditor_id: &str,
    debtor_id: &str,
    scheme_id: &str,
    at_least: &str,
) -> Membership {
    let found = patiently(async || {
        clients
            .memberships
            .clone()
            .get_memberships(GetMembershipsRequest {
                creditor_id: creditor_id.to_owned(),
                debtor_id: debtor_id.to_owned(),
                at_least: at_least.to_owned(),
            })
            .await
    })
    .await;
    let mut all = found.into_inner().memberships.into_iter();
    all.find(|membership| membership.scheme_id == scheme_id)
        .unwrap_or_else(|| panic!("{debtor_id} has no membership in {scheme_id}"))
}
