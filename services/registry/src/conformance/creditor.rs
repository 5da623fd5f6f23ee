//! `CreditorService`.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        BusinessDayMode, CreateCreditorRequest, Creditor, FxRate, GetCreditorRequest,
        ListCreditorsRequest, ListFxRatesRequest, OpenBusinessDayRequest, SetFxRateRequest,
        UpdateCreditorRequest, creditor_service_client::CreditorServiceClient,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::{Outcome, assert_refused, assert_violates, date, open_creditor, sample_creditor};

type Client = CreditorServiceClient<Channel>;

/// Everything below, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    a_creditor_is_created_read_and_listed(channel.clone()).await?;
    an_update_changes_named_fields_under_its_etag(channel.clone()).await?;
    a_repeated_request_has_one_effect(channel.clone()).await?;
    business_days_only_move_forward(channel.clone()).await?;
    exchange_rates_are_set_replaced_and_listed(channel.clone()).await?;
    every_wrong_field_is_named(channel).await
}

fn create(request_id: &str, creditor: Creditor) -> CreateCreditorRequest {
    CreateCreditorRequest {
        request_id: request_id.to_owned(),
        creditor: Some(creditor),
    }
}

fn get(creditor_id: &str, at_least: &str) -> GetCreditorRequest {
    GetCreditorRequest {
        creditor_id: creditor_id.to_owned(),
        at_least: at_least.to_owned(),
    }
}

/// Creates three creditors and reads them in every way.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_creditor_is_created_read_and_listed(channel: Channel) -> Outcome {
    let mut client = Client::new(channel);
    let ids = ["listed-1", "listed-2", "listed-3"];
    for id in ids {
        let output_only = Creditor {
            version: 77,
            etag: "x".to_owned(),
            business_date: Some(date(2026, 1, 5)),
            ..sample_creditor(id)
        };
        let created = client
            .create_creditor(create(id, output_only))
            .await?
            .into_inner();
        let stored = client
            .get_creditor(get(id, &created.consistency_token))
            .await?
            .into_inner();
        assert_eq!(
            stored.creditor, created.creditor,
            "what was answered is what is stored"
        );
        let stored = stored.creditor.unwrap_or_default();
        let expected = Creditor {
            version: 1,
            etag: stored.etag.clone(),
            ..sample_creditor(id)
        };
        assert_eq!(stored, expected);
        assert!(!stored.etag.is_empty());
    }
    let listed = list_all(&mut client, 2).await?;
    let found: Vec<_> = listed
        .iter()
        .filter(|id| id.starts_with("listed-"))
        .collect();
    assert_eq!(
        found,
        ids.iter().collect::<Vec<_>>(),
        "every page continues the one before"
    );
    assert!(listed.is_sorted());

    let missing = client.get_creditor(get("nobody", "")).await;
    assert_refused(missing, Code::NotFound, ErrorReason::ResourceNotFound);
    let again = client
        .create_creditor(create("other-request", sample_creditor("listed-1")))
        .await;
    assert_refused(again, Code::AlreadyExists, ErrorReason::ResourceExists);
    let wrong_token = ListCreditorsRequest {
        page_token: "AAAA".to_owned(),
        ..ListCreditorsRequest::default()
    };
    let refused = client.list_creditors(wrong_token).await;
    assert_refused(
        refused,
        Code::InvalidArgument,
        ErrorReason::InvalidPageToken,
    );
    Ok(())
}

async fn list_all(client: &mut Client, page_size: i32) -> Result<Vec<String>, Status> {
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListCreditorsRequest {
            page_size,
            page_token,
            at_least: String::new(),
        };
        let page = client.list_creditors(request).await?.into_inner();
        assert!(page.creditors.len() <= 2);
        ids.extend(
            page.creditors
                .into_iter()
                .map(|creditor| creditor.creditor_id),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(ids);
        }
    }
}

fn update(
    request_id: &str,
    creditor: Creditor,
    mask: &[&str],
    etag: &str,
) -> UpdateCreditorRequest {
    UpdateCreditorRequest {
        request_id: request_id.to_owned(),
        creditor: Some(creditor),
        update_mask: mask.iter().map(|path| (*path).to_owned()).collect(),
        etag: etag.to_owned(),
    }
}

/// Updates fields, with and without a current etag.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn an_update_changes_named_fields_under_its_etag(channel: Channel) -> Outcome {
    let mut client = Client::new(channel);
    let created = client
        .create_creditor(create("updated", sample_creditor("updated")))
        .await?;
    let first = created.into_inner().creditor.unwrap_or_default();
    // Fields outside the mask may hold anything, even what would be refused.
    let new = Creditor {
        creditor_id: "updated".to_owned(),
        display_name: "Neu AG".to_owned(),
        time_zone: "Nowhere/At_All".to_owned(),
        calendar: "NL".to_owned(),
        ..Creditor::default()
    };
    let mask = ["display_name", "calendar"];
    let updated = client
        .update_creditor(update("u1", new.clone(), &mask, &first.etag))
        .await?;
    let second = updated.into_inner().creditor.unwrap_or_default();
    let expected = Creditor {
        display_name: "Neu AG".to_owned(),
        calendar: "NL".to_owned(),
        version: 2,
        etag: second.etag.clone(),
        ..first.clone()
    };
    assert_eq!(second, expected);
    assert_ne!(second.etag, first.etag);

    let stale = client
        .update_creditor(update("u2", new.clone(), &mask, &first.etag))
        .await;
    assert_refused(stale, Code::Aborted, ErrorReason::EtagMismatch);
    let fixed = client
        .update_creditor(update("u3", new.clone(), &["reporting_currency"], ""))
        .await;
    assert_violates(fixed, &["update_mask[0]"]);
    let nothing = client
        .update_creditor(update("u4", new.clone(), &[], ""))
        .await;
    assert_violates(nothing, &["update_mask"]);
    let wrong = client
        .update_creditor(update("u5", new, &["time_zone", "business_day_mode"], ""))
        .await;
    assert_violates(wrong, &["creditor.time_zone", "creditor.business_day_mode"]);
    let nobody = update("u6", sample_creditor("nobody"), &mask, "");
    assert_refused(
        client.update_creditor(nobody).await,
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    let stored = client
        .get_creditor(get("updated", ""))
        .await?
        .into_inner()
        .creditor;
    assert_eq!(stored, Some(second), "refused updates change nothing");
    Ok(())
}

/// Sends requests twice, with the same and with other content.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_repeated_request_has_one_effect(channel: Channel) -> Outcome {
    let mut client = Client::new(channel);
    let request = create("repeated", sample_creditor("repeated"));
    let first = client.create_creditor(request.clone()).await?.into_inner();
    let rename = Creditor {
        display_name: "Renamed".to_owned(),
        ..sample_creditor("repeated")
    };
    let rename = update("rename", rename, &["display_name"], "");
    let renamed = client.update_creditor(rename.clone()).await?.into_inner();
    let replayed = client.create_creditor(request.clone()).await?.into_inner();
    assert_eq!(
        replayed, first,
        "the first answer is given again, whatever happened since"
    );
    assert_eq!(
        client.update_creditor(rename.clone()).await?.into_inner(),
        renamed
    );

    let other = create("repeated", sample_creditor("repeated-2"));
    let reused = client.create_creditor(other).await;
    assert_refused(reused, Code::AlreadyExists, ErrorReason::RequestIdReused);
    let other = UpdateCreditorRequest {
        update_mask: vec!["calendar".to_owned()],
        ..rename
    };
    let reused = client.update_creditor(other).await;
    assert_refused(reused, Code::AlreadyExists, ErrorReason::RequestIdReused);
    let stored = client
        .get_creditor(get("repeated", ""))
        .await?
        .into_inner()
        .creditor;
    assert_eq!(stored, renamed.creditor);
    let missing = client.get_creditor(get("repeated-2", "")).await;
    assert_refused(missing, Code::NotFound, ErrorReason::ResourceNotFound);
    Ok(())
}

/// Opens business days, right and wrong ones.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn business_days_only_move_forward(channel: Channel) -> Outcome {
    let opened = open_creditor(&channel, "days", date(2026, 3, 30)).await?;
    assert_eq!(
        (opened.business_date, opened.version),
        (Some(date(2026, 3, 30)), 2)
    );
    let mut client = Client::new(channel);
    let open = |request_id: &str, day| OpenBusinessDayRequest {
        request_id: request_id.to_owned(),
        creditor_id: "days".to_owned(),
        business_date: Some(day),
    };
    let refused_days = [
        ("same", date(2026, 3, 30)),
        ("earlier", date(2026, 3, 27)),
        ("good-friday", date(2026, 4, 3)),
        ("saturday", date(2026, 4, 4)),
        ("easter-monday", date(2026, 4, 6)),
    ];
    for (request_id, day) in refused_days {
        let refused = client.open_business_day(open(request_id, day)).await;
        assert_refused(
            refused,
            Code::FailedPrecondition,
            ErrorReason::BusinessDayRefused,
        );
    }
    let tuesday = open("tuesday", date(2026, 4, 7));
    let opened = client
        .open_business_day(tuesday.clone())
        .await?
        .into_inner();
    let business_date = opened.creditor.clone().unwrap_or_default().business_date;
    assert_eq!(
        business_date,
        Some(date(2026, 4, 7)),
        "days may be left out"
    );
    assert_eq!(
        client.open_business_day(tuesday).await?.into_inner(),
        opened
    );
    let stored = client
        .get_creditor(get("days", &opened.consistency_token))
        .await?
        .into_inner();
    assert_eq!(stored.creditor, opened.creditor);

    let invalid = client
        .open_business_day(open("february", date(2026, 2, 30)))
        .await;
    assert_violates(invalid, &["business_date"]);
    let nobody = OpenBusinessDayRequest {
        creditor_id: "nobody".to_owned(),
        ..open("nobody", date(2026, 4, 8))
    };
    let missing = client.open_business_day(nobody).await;
    assert_refused(missing, Code::NotFound, ErrorReason::ResourceNotFound);
    Ok(())
}

fn rate(base: &str, quote: &str, day: i32, numerator: i64) -> FxRate {
    FxRate {
        creditor_id: "rates".to_owned(),
        base_currency: base.to_owned(),
        quote_currency: quote.to_owned(),
        rate_date: Some(date(2026, 1, day)),
        numerator,
        denominator: 1_000_000_000_000_000,
        source: "ECB".to_owned(),
        version: 0,
    }
}

/// Sets, replaces and lists rates.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn exchange_rates_are_set_replaced_and_listed(channel: Channel) -> Outcome {
    open_creditor(&channel, "rates", date(2026, 1, 5)).await?;
    let mut client = Client::new(channel);
    let set = |request_id: &str, fx_rate| SetFxRateRequest {
        request_id: request_id.to_owned(),
        fx_rate: Some(fx_rate),
    };
    let rates = [
        rate("USD", "EUR", 9, 1),
        rate("EUR", "USD", 12, 1_173_400_000_000_000 / 2),
        rate("EUR", "USD", 9, 1_000_000_000_000_000),
        rate("CHF", "EUR", 9, 3),
    ];
    for (number, rate) in rates.iter().enumerate() {
        let answer = client
            .set_fx_rate(set(&format!("set-{number}"), rate.clone()))
            .await?;
        let expected = FxRate {
            version: 1,
            ..rate.clone()
        };
        assert_eq!(answer.into_inner().fx_rate, Some(expected));
    }
    let replaced = client
        .set_fx_rate(set("replace", rate("EUR", "USD", 9, 17)))
        .await?
        .into_inner();
    assert_eq!(
        replaced.fx_rate.map(|rate| (rate.numerator, rate.version)),
        Some((17, 2))
    );

    let mut listed = Vec::new();
    let mut request = ListFxRatesRequest {
        creditor_id: "rates".to_owned(),
        page_size: 1,
        page_token: String::new(),
        at_least: replaced.consistency_token,
    };
    loop {
        let page = client.list_fx_rates(request.clone()).await?.into_inner();
        listed.extend(page.fx_rates.into_iter().map(|rate| {
            let day = rate.rate_date.map_or(0, |date| date.day);
            (
                rate.base_currency + &rate.quote_currency,
                day,
                rate.numerator,
            )
        }));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let expected = [
        ("CHFEUR".to_owned(), 9, 3),
        ("EURUSD".to_owned(), 9, 17),
        ("EURUSD".to_owned(), 12, 586_700_000_000_000),
        ("USDEUR".to_owned(), 9, 1),
    ];
    assert_eq!(listed, expected);
    request.creditor_id = "nobody".to_owned();
    let missing = client.list_fx_rates(request).await;
    assert_refused(missing, Code::NotFound, ErrorReason::ResourceNotFound);
    Ok(())
}

/// Sends requests with many wrong fields.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_wrong_field_is_named(channel: Channel) -> Outcome {
    let mut client = Client::new(channel);
    let wrong = Creditor {
        creditor_id: "a b".to_owned(),
        display_name: "x".repeat(100_000),
        time_zone: "Europe/Atlantis".to_owned(),
        calendar: "FR".to_owned(),
        reporting_currency: "XAU".to_owned(),
        business_day_mode: 99,
        ..Creditor::default()
    };
    let fields = [
        "request_id",
        "creditor.creditor_id",
        "creditor.display_name",
        "creditor.time_zone",
        "creditor.calendar",
        "creditor.reporting_currency",
        "creditor.business_day_mode",
    ];
    assert_violates(client.create_creditor(create("", wrong)).await, &fields);
    let empty = CreateCreditorRequest::default();
    assert_violates(client.create_creditor(empty).await, &fields);
    let unspecified = Creditor {
        business_day_mode: BusinessDayMode::Unspecified.into(),
        ..sample_creditor("unspecified")
    };
    let refused = client
        .create_creditor(create("unspecified", unspecified))
        .await;
    assert_violates(refused, &["creditor.business_day_mode"]);

    let wrong = FxRate {
        creditor_id: String::new(),
        rate_date: Some(date(10_000, 1, 1)),
        numerator: 0,
        denominator: i64::MAX,
        source: String::new(),
        ..rate("EUR", "EUR", 1, 1)
    };
    let paths = [
        "creditor_id",
        "quote_currency",
        "rate_date",
        "numerator",
        "denominator",
        "source",
    ];
    let paths = paths.map(|path| format!("fx_rate.{path}"));
    let request = SetFxRateRequest {
        request_id: "wrong".to_owned(),
        fx_rate: Some(wrong),
    };
    assert_violates(
        client.set_fx_rate(request).await,
        &paths.each_ref().map(String::as_str),
    );
    let request = ListFxRatesRequest {
        creditor_id: "ä".to_owned(),
        page_size: -1,
        ..ListFxRatesRequest::default()
    };
    assert_violates(
        client.list_fx_rates(request).await,
        &["creditor_id", "page_size"],
    );
    let bad_token = client.get_creditor(get("listed-1", "nonsense")).await;
    assert_violates(bad_token, &["at_least"]);
    Ok(())
}
