//! `ApprovalService`: four eyes on write-offs. Principals are made up, so the handlers are called without a server.

mod desk;

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        ApprovalState, EntryKind, GetApprovalRequest, GrantApprovalRequest, ListApprovalsRequest,
        RefuseApprovalRequest, RequestWriteOffRequest, approval::Command,
        approval_service_client::ApprovalServiceClient, approval_service_server::ApprovalService,
    },
};
use mahnwerk_runtime::db::Db;
use tonic::{Code, transport::Channel};

use super::{
    Outcome,
    account::{Books, answered, eur, part},
    assert_refused, assert_violates, date, metadata_of, reason_of,
};
use desk::{CREDITOR, Desk, by, limited, money};

/// From the refusal of one alone to the grant by another: nothing is booked before, everything with it.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn another_grants_what_one_asked_for(db: Db) -> Outcome {
    let desk = Desk::open(&db, eur(1_000)).await?;
    desk.invoice("i1", 5_000).await?;
    let alone = desk.write_off("clerk", "w1", "i1", eur(1_001)).await;
    let told = alone.err().map(|status| {
        let metadata = |key| metadata_of(&status, key);
        (
            status.code(),
            reason_of(&status),
            metadata("method"),
            metadata("principal"),
        )
    });
    let expected = (
        Code::FailedPrecondition,
        "FOUR_EYES_REQUIRED".to_owned(),
        "RequestWriteOff".to_owned(),
        String::new(),
    );
    assert_eq!(told, Some(expected));
    let asked = desk.ask("clerk", "a1", "i1", eur(1_001)).await?;
    assert_eq!(asked.state(), ApprovalState::Pending);
    assert_eq!((&*asked.requested_by, &*asked.debtor_id), ("clerk", "d1"));
    assert_eq!(asked.requested_date, Some(date(2026, 3, 2)));
    assert_eq!(asked.expire_date, Some(date(2026, 3, 16)));
    let Some(Command::WriteOff(write_off)) = &asked.command else {
        return Err(tonic::Status::unknown("asks for nothing"));
    };
    assert_eq!(write_off.amount, eur(1_001));
    assert_eq!(
        desk.open_amount("i1").await?,
        eur(5_000),
        "nothing is booked"
    );
    let repeated = desk.ask("clerk", "a1", "i1", eur(1_001)).await?;
    assert_eq!(repeated, asked, "the same call has one effect");

    let own = desk.grant("clerk", "g1", &asked.approval_id).await;
    let told = own
        .err()
        .map(|status| (reason_of(&status), metadata_of(&status, "principal")));
    let expected = ("FOUR_EYES_REQUIRED".to_owned(), "clerk".to_owned());
    assert_eq!(told, Some(expected));
    assert_eq!(desk.open_amount("i1").await?, eur(5_000));

    let granted = desk.grant("lead", "g1", &asked.approval_id).await?;
    let approval = granted.approval.clone().unwrap_or_default();
    assert_eq!(approval.state(), ApprovalState::Granted);
    assert_eq!(
        (&*approval.requested_by, &*approval.decided_by),
        ("clerk", "lead")
    );
    assert!(approval.decide_time.is_some());
    let invoice = granted.invoice.clone().unwrap_or_default();
    assert_eq!(invoice.open_amount, eur(3_999));
    let kinds: Vec<_> = invoice.entries.iter().map(|it| it.kind()).collect();
    assert_eq!(kinds, [EntryKind::WriteOff]);
    let repeated = desk.grant("lead", "g1", &asked.approval_id).await?;
    assert_eq!(repeated, granted, "the same call has one effect");
    let third = desk.grant("third", "g1", &asked.approval_id).await;
    assert_refused(
        answered(third),
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    assert_eq!(desk.open_amount("i1").await?, eur(3_999));

    let did = |who: &str, entity: &str, action: &str| {
        (who.to_owned(), entity.to_owned(), action.to_owned())
    };
    let expected = [
        did("clerk", "approval", "requested"),
        did("lead", "item", "written_off"),
        did("lead", "approval", "granted"),
    ];
    assert_eq!(desk.trail().await?, expected);
    Ok(())
}

/// Only what is above the limit needs two: all write-offs of an invoice count together, and another currency always does.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn pieces_of_a_write_off_count_together(db: Db) -> Outcome {
    let desk = Desk::open(&db, eur(1_000)).await?;
    desk.invoice("i1", 5_000).await?;
    desk.invoice("i2", 900).await?;
    desk.invoice_in("i3", money("CHF", 900)).await?;
    desk.write_off("clerk", "w1", "i1", eur(400)).await?;
    desk.write_off("clerk", "w2", "i1", eur(600)).await?;
    let reason = ErrorReason::FourEyesRequired;
    let more = desk.write_off("clerk", "w3", "i1", eur(1)).await;
    assert_refused(answered(more), Code::FailedPrecondition, reason);
    desk.write_off("clerk", "w4", "i2", None).await?;
    let francs = desk.write_off("clerk", "w5", "i3", None).await;
    assert_refused(answered(francs), Code::FailedPrecondition, reason);
    // What is undone leaves room again.
    desk.undo_first_entry("i1").await?;
    desk.write_off("clerk", "w6", "i1", eur(400)).await?;

    desk.limit("zero", eur(0)).await?;
    let least = desk.write_off("clerk", "w7", "i1", eur(1)).await;
    assert_refused(answered(least), Code::FailedPrecondition, reason);
    desk.limit("none", None).await?;
    desk.write_off("clerk", "w8", "i1", None).await?;
    assert_eq!(desk.open_amount("i1").await?, eur(0));
    Ok(())
}

/// What is granted is held against the books of the moment, and against the calendar.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_grant_goes_by_the_books_of_the_moment(db: Db) -> Outcome {
    let desk = Desk::open(&db, eur(0)).await?;
    desk.invoice("i1", 5_000).await?;
    desk.invoice("i2", 700).await?;
    // All that is open is meant, and stays what it was.
    let asked = desk.ask("clerk", "a1", "i1", None).await?;
    desk.pay("i1", 200).await?;
    let late = desk.grant("lead", "g1", &asked.approval_id).await;
    let exceeds = ErrorReason::ExceedsOpenAmount;
    assert_refused(answered(late), Code::FailedPrecondition, exceeds);
    let found = desk.get(&asked.approval_id).await?;
    assert_eq!((found.state(), found.version), (ApprovalState::Pending, 1));
    let second = desk.ask("third", "a2", "i1", eur(1)).await;
    let told = second.err().map(|status| {
        let metadata = |key| metadata_of(&status, key);
        (reason_of(&status), metadata("kind"), metadata("id"))
    });
    let expected = (
        "ALREADY_COVERED".to_owned(),
        "approval".to_owned(),
        asked.approval_id.clone(),
    );
    assert_eq!(told, Some(expected));
    let refused = desk.refuse("lead", "r1", &asked.approval_id).await?;
    assert_eq!(refused.state(), ApprovalState::Refused);
    assert_eq!((&*refused.decided_by, &*refused.note), ("lead", "no"));
    let undone = desk.grant("lead", "g2", &asked.approval_id).await;
    assert_refused(
        answered(undone),
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );

    let anew = desk.ask("clerk", "a3", "i1", None).await?;
    let other = desk.ask("clerk", "a4", "i2", None).await?;
    desk.open_day(date(2026, 3, 16)).await?;
    desk.grant("lead", "g3", &other.approval_id).await?;
    desk.open_day(date(2026, 3, 17)).await?;
    let expired = desk.get(&anew.approval_id).await?;
    assert_eq!(
        (expired.state(), expired.version),
        (ApprovalState::Expired, 1)
    );
    let late = desk.grant("lead", "g4", &anew.approval_id).await;
    let told = late.err().map(|status| metadata_of(&status, "state"));
    assert_eq!(told, Some("expired".to_owned()));
    assert_eq!(desk.open_amount("i1").await?, eur(4_800));
    let again = desk.ask("third", "a5", "i1", None).await?;
    desk.grant("clerk", "g5", &again.approval_id).await?;
    assert_eq!(desk.open_amount("i1").await?, eur(0));
    Ok(())
}

/// Approvals are listed newest first, page by page, by debtor and by the state of the business date.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn approvals_are_listed_newest_first(db: Db) -> Outcome {
    let desk = Desk::open(&db, eur(0)).await?;
    let mut ids = Vec::new();
    for number in 0..4 {
        let invoice_id = format!("i{number}");
        desk.invoice(&invoice_id, 5_000).await?;
        let asked = desk
            .ask("clerk", &format!("a{number}"), &invoice_id, None)
            .await?;
        ids.insert(0, asked.approval_id);
    }
    let listed = async |debtor_id: &str, state: ApprovalState, page_size: i32| {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListApprovalsRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_id: debtor_id.to_owned(),
                state: state.into(),
                page_size,
                page_token,
                at_least: String::new(),
            };
            let answer = desk.api.list_approvals(by("clerk", request)).await?;
            let answer = answer.into_inner();
            let page = answer.approvals.into_iter();
            found.extend(page.map(|it| it.approval_id));
            if answer.next_page_token.is_empty() {
                return Ok::<_, tonic::Status>(found);
            }
            page_token = answer.next_page_token;
        }
    };
    let all = ApprovalState::Unspecified;
    assert_eq!(listed("", all, 0).await?, ids);
    assert_eq!(listed("d1", all, 3).await?, ids);
    desk.grant("lead", "g", &ids[0]).await?;
    desk.refuse("lead", "r", &ids[1]).await?;
    assert_eq!(listed("", ApprovalState::Granted, 0).await?, ids[..1]);
    assert_eq!(listed("", ApprovalState::Refused, 0).await?, ids[1..2]);
    assert_eq!(listed("", ApprovalState::Pending, 1).await?, ids[2..]);
    assert!(listed("", ApprovalState::Expired, 0).await?.is_empty());
    desk.open_day(date(2026, 3, 17)).await?;
    assert!(listed("", ApprovalState::Pending, 0).await?.is_empty());
    assert_eq!(listed("d1", ApprovalState::Expired, 1).await?, ids[2..]);
    let nobody = listed("nobody", all, 0).await;
    assert_eq!(nobody.err().map(|it| it.code()), Some(Code::NotFound));
    Ok(())
}

/// Over the wire without authentication: everybody is the same, so whoever asks can only take it back.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn without_names_nothing_is_granted(channel: Channel) -> Outcome {
    let creditor = "four-eyes-wire";
    let mut books = Books::open(channel.clone(), creditor).await?;
    let mut client = ApprovalServiceClient::new(channel.clone());
    books.invoice("i1", 5_000, date(2026, 2, 14)).await?;
    books.invoice("i2", 5_000, date(2026, 2, 14)).await?;
    limited(channel, creditor, "limit", eur(1_000)).await?;
    let alone = books.write_off("i1", None).await;
    let reason = ErrorReason::FourEyesRequired;
    assert_refused(answered(alone), Code::FailedPrecondition, reason);
    books.write_off("i2", eur(1_000)).await?;
    let ask = |invoice_id: &str, amount| RequestWriteOffRequest {
        request_id: format!("ask-{invoice_id}"),
        creditor_id: creditor.to_owned(),
        invoice_id: invoice_id.to_owned(),
        amount,
        reason: "insolvent".to_owned(),
    };
    let asked = client
        .request_write_off(ask("i1", None))
        .await?
        .into_inner();
    let approval = asked.approval.unwrap_or_default();
    let grant = GrantApprovalRequest {
        request_id: "grant".to_owned(),
        creditor_id: creditor.to_owned(),
        approval_id: approval.approval_id.clone(),
    };
    let own = client.grant_approval(grant.clone()).await;
    assert_refused(own, Code::FailedPrecondition, reason);
    let refuse = RefuseApprovalRequest {
        request_id: "refuse".to_owned(),
        creditor_id: creditor.to_owned(),
        approval_id: approval.approval_id.clone(),
        note: String::new(),
    };
    let refused = client.refuse_approval(refuse.clone()).await?.into_inner();
    let token = refused.consistency_token.clone();
    let repeated = client.refuse_approval(refuse).await?.into_inner();
    assert_eq!(repeated, refused, "the same call has one effect");
    let get = GetApprovalRequest {
        creditor_id: creditor.to_owned(),
        approval_id: approval.approval_id,
        at_least: token,
    };
    let found = client.get_approval(get).await?.into_inner();
    assert_eq!(found.approval, refused.approval);

    let unknown = client.request_write_off(ask("i9", None)).await;
    assert_refused(unknown, Code::NotFound, ErrorReason::ResourceNotFound);
    let too_much = client.request_write_off(ask("i2", eur(4_001))).await;
    let exceeds = ErrorReason::ExceedsOpenAmount;
    assert_refused(too_much, Code::FailedPrecondition, exceeds);
    let wrong = RequestWriteOffRequest {
        amount: eur(0),
        ..RequestWriteOffRequest::default()
    };
    assert_violates(
        client.request_write_off(wrong).await,
        &[
            "request_id",
            "creditor_id",
            "invoice_id",
            "amount.minor_units",
            "reason",
        ],
    );
    books
        .pay("p1", 5_000, date(2026, 3, 2), vec![part("i1", 5_000)])
        .await?;
    let limits = [money("CHF", 1), eur(-1)];
    let fields = ["currency_code", "minor_units"];
    for (limit, field) in limits.into_iter().zip(fields) {
        let refused = limited(books.channel.clone(), creditor, field, limit).await;
        let field = format!("creditor.four_eyes.write_off_above.{field}");
        assert_violates(refused, &[field.as_str()]);
    }
    let found = limited(books.channel.clone(), creditor, "lift", None).await?;
    let creditor = found.into_inner().creditor.unwrap_or_default();
    assert_eq!(creditor.four_eyes, None);
    Ok(())
}
