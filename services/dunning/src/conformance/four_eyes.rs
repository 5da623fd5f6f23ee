//! Four eyes: one proposes a run, another releases it.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{
        DunningSettings, ProposeRunRequest, ReleaseRunRequest, ReleaseRunResponse, RunState,
        SetDunningSettingsRequest, WhenStale, procedure_service_server::ProcedureService,
        run_service_server::RunService,
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
    Outcome, assert_refused,
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
        when_stale: WhenStale::Withhold.into(),
        email_from: "dunning@example.com".to_owned(),
        four_eyes_release,
        ..DunningSettings::default()
    };
    let request = SetDunningSettingsRequest {
        request_id: request_id.to_owned(),
        settings: Some(settings),
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

async fn release(
    runner: &Runner,
    principal: &str,
    run_id: &str,
) -> Result<Response<ReleaseRunResponse>, Status> {
    let request = ReleaseRunRequest {
        request_id: "release".to_owned(),
        creditor_id: "c1".to_owned(),
        run_id: run_id.to_owned(),
    };
    runner.api.release_run(by(principal, request)).await
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
    let refused = release(&runner, "clerk", &run_id).await;
    let reason = ErrorReason::FourEyesRequired;
    assert_refused(&refused, Code::FailedPrecondition, reason);
    let status = refused.err();
    let info = status.as_ref().and_then(StatusExt::get_details_error_info);
    let metadata = info.map(|info| info.metadata).unwrap_or_default();
    assert_eq!(
        metadata.get("method").map(String::as_str),
        Some("ReleaseRun")
    );
    assert_eq!(metadata.get("principal").map(String::as_str), Some("clerk"));
    let run = runner.run(&run_id).await?;
    assert_eq!((run.state(), &*run.released_by), (RunState::Proposed, ""));
    let again = release(&runner, "clerk", &run_id).await;
    assert_refused(&again, Code::FailedPrecondition, reason);

    let released = release(&runner, "lead", &run_id).await?.into_inner();
    let run = released.run.clone().unwrap_or_default();
    assert_eq!(
        (run.state(), &*run.principal),
        (RunState::Released, "clerk")
    );
    assert_eq!(run.released_by, "lead");
    let repeated = release(&runner, "lead", &run_id).await?.into_inner();
    assert_eq!(repeated, released, "the same call has one effect");
    runner.work().await?;
    let run = runner.run(&run_id).await?;
    assert_eq!(
        (run.state(), &*run.released_by),
        (RunState::Dispatching, "lead")
    );
    let third = release(&runner, "third", &run_id).await;
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
    let refused = release(&runner, "clerk", &run_id).await;
    let reason = ErrorReason::FourEyesRequired;
    assert_refused(&refused, Code::FailedPrecondition, reason);
    set(&runner, "one", false).await?;
    let released = release(&runner, "clerk", &run_id).await?.into_inner();
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
    let released = release(&runner, "clerk", &run_id).await?.into_inner();
    assert_eq!(released.run.unwrap_or_default().released_by, "clerk");
    Ok(())
}
