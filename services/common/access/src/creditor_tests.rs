use mahnwerk_proto::{
    policy::{methods, pool},
    registry::v1::{
        CreateDebtorRequest, Debtor, GetDebtorRequest, ImportLedgerRequest, ImportStart,
        import_ledger_request,
    },
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn places(message: &str) -> Option<Places> {
    Places::of(&pool().get_message_by_name(message).unwrap())
}

fn named(message: &str, bytes: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut seen = Vec::new();
    let found = places(message)
        .unwrap()
        .visit(bytes, &mut |id| seen.push(id.to_owned()))?;
    assert_eq!(found, !seen.is_empty());
    Ok(seen)
}

#[test]
fn the_creditor_is_found_at_the_top_and_within_a_resource() {
    let get = GetDebtorRequest {
        creditor_id: "acme".to_owned(),
        debtor_id: "4711".to_owned(),
        ..GetDebtorRequest::default()
    };
    let create = CreateDebtorRequest {
        request_id: "r".to_owned(),
        debtor: Some(Debtor {
            creditor_id: "acme".to_owned(),
            debtor_id: "4711".to_owned(),
            ..Debtor::default()
        }),
    };
    let start = ImportLedgerRequest {
        message: Some(import_ledger_request::Message::Start(ImportStart {
            creditor_id: "acme".to_owned(),
            import_id: "i".to_owned(),
        })),
    };
    for (message, bytes) in [
        ("mahnwerk.registry.v1.GetDebtorRequest", get.encode_to_vec()),
        (
            "mahnwerk.registry.v1.CreateDebtorRequest",
            create.encode_to_vec(),
        ),
        (
            "mahnwerk.registry.v1.ImportLedgerRequest",
            start.encode_to_vec(),
        ),
    ] {
        assert_eq!(named(message, &bytes).unwrap(), ["acme"], "{message}");
    }
}

#[test]
fn a_field_given_twice_counts_twice_because_decoders_take_the_last() {
    let message = |creditor_id: &str| {
        GetDebtorRequest {
            creditor_id: creditor_id.to_owned(),
            ..GetDebtorRequest::default()
        }
        .encode_to_vec()
    };
    let both = [message("acme"), message("other")].concat();
    let seen = named("mahnwerk.registry.v1.GetDebtorRequest", &both).unwrap();
    assert_eq!(seen, ["acme", "other"]);
    assert_eq!(
        GetDebtorRequest::decode(&*both).unwrap().creditor_id,
        "other"
    );
}

#[test]
fn an_empty_request_names_nobody() {
    let seen = named("mahnwerk.registry.v1.GetDebtorRequest", &[]).unwrap();
    assert!(seen.is_empty());
}

/// A new method either names a creditor or says that it is not about one, or only callers that may see all can call it:
/// the last are few, and each of them on purpose.
#[test]
fn methods_that_concern_all_creditors_are_known() {
    let all: Vec<&str> = methods()
        .values()
        .filter(|method| Places::of(&method.descriptor.input()).is_none())
        .filter(|method| {
            !method
                .policy
                .as_ref()
                .is_some_and(|policy| policy.without_creditor)
        })
        .map(|method| method.path.as_str())
        .collect();
    assert_eq!(
        all,
        [
            "/mahnwerk.common.v1.FeedAdminService/GetFeedStatus",
            "/mahnwerk.common.v1.FeedAdminService/ListParked",
            "/mahnwerk.common.v1.FeedAdminService/ResetFeed",
            "/mahnwerk.common.v1.FeedService/ListSnapshot",
            "/mahnwerk.common.v1.FeedService/Watch",
            "/mahnwerk.registry.v1.CreditorService/ListCreditors",
        ]
    );
}

#[test]
fn nothing_is_deeper_than_is_looked() {
    for method in methods().values() {
        let input = method.descriptor.input();
        assert_eq!(
            Places::look(&input, MAX_DEPTH),
            Places::look(&input, MAX_DEPTH + 3),
            "{}",
            method.path
        );
    }
}

proptest! {
    /// Whatever the decoder takes, its creditor was seen.
    #[test]
    fn what_the_decoder_reads_was_seen(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let seen = named("mahnwerk.registry.v1.GetDebtorRequest", &bytes);
        if let Ok(decoded) = GetDebtorRequest::decode(&*bytes) {
            let seen = seen.unwrap();
            prop_assert!(decoded.creditor_id.is_empty() || seen.contains(&decoded.creditor_id));
        }
    }

    #[test]
    fn nor_do_extra_fields_hide_it(
        before in prop::collection::vec((1_u32..40, any::<u64>()), 0..6),
        id in "[a-z]{1,8}",
    ) {
        let mut bytes = Vec::new();
        for (number, value) in before {
            prost::encoding::uint64::encode(number + 100, &value, &mut bytes);
        }
        let request = GetDebtorRequest { creditor_id: id.clone(), ..GetDebtorRequest::default() };
        bytes.extend(request.encode_to_vec());
        prop_assert_eq!(named("mahnwerk.registry.v1.GetDebtorRequest", &bytes).unwrap(), [id]);
    }
}
