//! E-mails of the released run: checked, recorded, and written into a maildir, each synced to disk.

use std::fs;

use mahnwerk_proto::dunning::v1::{ListRunsRequest, RunState, SetDispatchRequest};
use tokio::time::Instant;

use super::{
    Line,
    portfolio::CREDITOR,
    services::{Services, until},
    tell,
};

pub async fn measure(services: &Services) -> Line {
    tell("sending e-mails into a maildir");
    let dunning = services.dunning();
    let began = Instant::now();
    dunning
        .work
        .clone()
        .set_dispatch(SetDispatchRequest {
            request_id: "send".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            enabled: true,
            reason: String::new(),
        })
        .await
        .expect("dispatch is on");
    let request = ListRunsRequest {
        creditor_id: CREDITOR.to_owned(),
        page_size: 1,
        page_token: String::new(),
        at_least: String::new(),
    };
    until(async || {
        let listed = dunning.runs.clone().list_runs(request.clone()).await;
        let listed = listed.expect("runs").into_inner().runs;
        (listed.first()?.state() == RunState::Done).then_some(())
    })
    .await;
    let seconds = began.elapsed().as_secs_f64();
    let mails = fs::read_dir(services.maildir().join("new"));
    let mails = mails.expect("a maildir").count();
    assert!(mails > 0, "nothing was sent");
    let what = "e-mails sent into a maildir, by one replica";
    Line::alone(what, "e-mails", mails as f64 / seconds)
}
