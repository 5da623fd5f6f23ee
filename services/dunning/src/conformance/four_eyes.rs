//! Four eyes: one proposes a run, another reads and releases it.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{
        DunningSettings, NoticeEdit, ProposeRunRequest, ReleaseRunRequest, ReleaseRunResponse,
        ReviewNoticeRequest, RunState, SetDunningSettingsRequest, notice_edit::Edit,
        procedure_service_server::ProcedureService, run_service_server::RunService,
    },
};
use mahnwerk_runtime::{
    context::Call,
    db::{Db, Sql, column},
    error::Error,
};
use sea_orm::DbErr;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use super::{
    Outcome, assert_refused, assert_violates,
    runner::{DUE, Runner},
};

/// A call by somebody.
fn by<T>(principal: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Call {
        principal: principal.to_owned(),
        ..Call::internal("unused")
    });
    request
}

/// A creditor with one invoice to be dunned, and with four eyes or without.
async fn open(db: &Db, four_eyes_release: bool) -> Result<Runner, Status> {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner.world.flush().await?;
    set(&runner, "settings", four_eyes_release).await?;
    Ok(runner)
}

async fn set(runner: &Runner, request_id: &str, four_eyes_release: bool) -> Outcome {
    let settings = DunningSettings {
        creditor_id: "c1".to_owned(),
        four_eyes_release,
        ..DunningSettings::default()
    };
    let request = SetDunningSettingsRequest {
        request_id: request_id.to_owned(),
        settings: Some(settings),
        update_mask: vec!["four_eyes_release".to_owned()],
        etag: String::new(),
    };
    let stored = runner.api.set_dunning_settings(by("admin", request));
    let stored = stored.await?.into_inner().settings.unwrap_or_default();
    assert_eq!(stored.four_eyes_release, four_eyes_release);
    Ok(())
}

async fn propose(runner: &Runner, principal: &str) -> Result<String, Status> {
    let request = ProposeRunRequest {
        request_id: "propose".to_owned(),
        creditor_id: "c1".to_owned(),
        business_date: None,
    };
    let proposed = runner.api.propose_run(by(principal, request)).await?;
    let run = proposed.into_inner().run.unwrap_or_default();
    assert_eq!((&*run.principal, &*run.released_by), (principal, ""));
    runner.work().await?;
    Ok(run.run_id)
}

type Released = Result<Response<ReleaseRunResponse>, Status>;

async fn release(runner: &Runner, principal: &str, run_id: &str, etag: &str) -> Released {
    let request = ReleaseRunRequest {
        request_id: "release".to_owned(),
        creditor_id: "c1".to_owned(),
        run_id: run_id.to_owned(),
        etag: etag.to_owned(),
    };
    runner.api.release_run(by(principal, request)).await
}

/// The etag of a run, as somebody reads it now.
async fn etag(runner: &Runner, run_id: &str) -> Result<String, Status> {
    Ok(runner.run(run_id).await?.etag)
}

/// Edits the only notice of a run; each edit once by each.
async fn review(runner: &Runner, principal: &str, run_id: &str, edit: Edit) -> Outcome {
    let notices = runner.notices(run_id).await?;
    let notice = notices.first().cloned().unwrap_or_default();
    let request = ReviewNoticeRequest {
        request_id: format!("review-{}", notice.version),
        creditor_id: "c1".to_owned(),
        notice_id: notice.notice_id,
        edit: Some(NoticeEdit { edit: Some(edit) }),
    };
    let reviewed = runner.api.review_notice(by(principal, request));
    reviewed.await.map(drop)
}

/// Asserts that a release was refused because of somebody.
#[track_caller]
fn assert_barred(refused: &Released, principal: &str) {
    let reason = ErrorReason::FourEyesRequired;
    assert_refused(refused, Code::FailedPrecondition, reason);
    let status = refused.as_ref().err();
    let info = status.and_then(StatusExt::get_details_error_info);
    let metadata = info.map(|info| info.metadata).unwrap_or_default();
    assert_eq!(
        metadata.get("method").map(String::as_str),
        Some("ReleaseRun")
    );
    assert_eq!(
        metadata.get("principal").map(String::as_str),
        Some(principal)
    );
}

/// Who did what to runs, in order.
async fn trail(db: &Db) -> Result<Vec<(String, String)>, Status> {
    let rows = db
        .query(
            "SELECT action, principal FROM event WHERE entity = 'run' AND action IN ('proposed', 'released') \
             AND principal NOT LIKE 'internal:%' ORDER BY seq",
            vec![],
        )
        .await?;
    let entries = rows
        .iter()
        .map(|row| Ok((column(row, "action")?, column(row, "principal")?)));
    let entries = entries.collect::<Result<_, DbErr>>();
    Ok(entries.map_err(Error::from)?)
}

/// Whoever proposed a run cannot release it; another can, once.
///
/// # Errors
/// Those of the calls.
pub async fn a_run_is_released_by_another_than_who_proposed_it(db: &Db) -> Outcome {
    let runner = open(db, true).await?;
    let run_id = propose(&runner, "clerk").await?;
    let read = etag(&runner, &run_id).await?;
    for sent in ["", &read] {
        let refused = release(&runner, "clerk", &run_id, sent).await;
        assert_barred(&refused, "clerk");
        let run = runner.run(&run_id).await?;
        assert_eq!((run.state(), &*run.released_by), (RunState::Proposed, ""));
    }

    let released = release(&runner, "lead", &run_id, &read).await?.into_inner();
    let run = released.run.clone().unwrap_or_default();
    assert_eq!(
        (run.state(), &*run.principal),
        (RunState::Released, "clerk")
    );
    assert_eq!(run.released_by, "lead");
    let repeated = release(&runner, "lead", &run_id, &read).await?.into_inner();
    assert_eq!(repeated, released, "the same call has one effect");
    runner.work().await?;
    let run = runner.run(&run_id).await?;
    assert_eq!(
        (run.state(), &*run.released_by),
        (RunState::Dispatching, "lead")
    );
    let third = release(&runner, "third", &run_id, "").await;
    assert_refused(&third, Code::FailedPrecondition, ErrorReason::WrongState);
    let did = |action: &str, who: &str| (action.to_owned(), who.to_owned());
    let expected = [did("proposed", "clerk"), did("released", "lead")];
    assert_eq!(trail(db).await?, expected);
    Ok(())
}

/// The settings count as they are when the run is released, whatever they were when it was proposed.
///
/// # Errors
/// Those of the calls.
pub async fn the_release_goes_by_the_settings_of_the_moment(db: &Db) -> Outcome {
    let runner = open(db, false).await?;
    let run_id = propose(&runner, "clerk").await?;
    set(&runner, "two", true).await?;
    assert_barred(&release(&runner, "clerk", &run_id, "").await, "clerk");
    set(&runner, "one", false).await?;
    let released = release(&runner, "clerk", &run_id, "").await?.into_inner();
    let run = released.run.unwrap_or_default();
    assert_eq!((&*run.principal, &*run.released_by), ("clerk", "clerk"));
    Ok(())
}

/// Background work is nobody: one person is enough for what it proposed.
///
/// # Errors
/// Those of the calls.
pub async fn what_nobody_proposed_anybody_releases(db: &Db) -> Outcome {
    let runner = open(db, true).await?;
    let call = Call::internal("schedule");
    let proposed = runner.api.app.propose_run(&call, "propose", "c1", None);
    let run_id = proposed.await?.response.run_id;
    runner.work().await?;
    let read = etag(&runner, &run_id).await?;
    let released = release(&runner, "clerk", &run_id, &read)
        .await?
        .into_inner();
    assert_eq!(released.run.unwrap_or_default().released_by, "clerk");
    Ok(())
}

/// What was edited since somebody read the run is not released by them unread, whether another must release it or not.
///
/// # Errors
/// Those of the calls.
pub async fn what_was_edited_since_is_not_released_unread(db: &Db) -> Outcome {
    let runner = open(db, true).await?;
    let run_id = propose(&runner, "clerk").await?;
    let unread = release(&runner, "lead", &run_id, "").await;
    assert_violates(&unread, &["etag"]);
    let mut read = etag(&runner, &run_id).await?;
    let edits = [Edit::Raise(true), Edit::Comment("not yet".to_owned())];
    for edit in edits {
        review(&runner, "clerk", &run_id, edit).await?;
        let refused = release(&runner, "lead", &run_id, &read).await;
        assert_refused(&refused, Code::Aborted, ErrorReason::EtagMismatch);
        let now = etag(&runner, &run_id).await?;
        assert_ne!(now, read);
        read = now;
    }
    set(&runner, "one", false).await?;
    let stale = release(&runner, "lead", &run_id, "v1").await;
    assert_refused(&stale, Code::Aborted, ErrorReason::EtagMismatch);
    set(&runner, "two", true).await?;
    let refused = review(&runner, "clerk", &run_id, Edit::Raise(true)).await;
    assert!(refused.is_err(), "it is raised already");
    let released = release(&runner, "lead", &run_id, &read).await?.into_inner();
    assert_eq!(released.run.unwrap_or_default().released_by, "lead");
    Ok(())
}

/// Whoever edited a run had a part in it and cannot release it, even if nobody proposed it; a comment is no part.
///
/// # Errors
/// Those of the calls.
pub async fn who_edited_a_run_does_not_release_it(db: &Db) -> Outcome {
    let runner = open(db, true).await?;
    let call = Call::internal("schedule");
    let proposed = runner.api.app.propose_run(&call, "propose", "c1", None);
    let run_id = proposed.await?.response.run_id;
    runner.work().await?;
    review(&runner, "lead", &run_id, Edit::Raise(true)).await?;
    review(&runner, "clerk", &run_id, Edit::Lower(true)).await?;
    let remark = Edit::Comment("seen".to_owned());
    review(&runner, "third", &run_id, remark).await?;
    let read = etag(&runner, &run_id).await?;
    for editor in ["lead", "clerk"] {
        assert_barred(&release(&runner, editor, &run_id, &read).await, editor);
    }
    let released = release(&runner, "third", &run_id, &read)
        .await?
        .into_inner();
    assert_eq!(released.run.unwrap_or_default().released_by, "third");
    Ok(())
}
