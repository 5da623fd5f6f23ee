//! Runs of dunning, driven through whichever replica answers, and what must be true of the notices that left.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dunning_channel::SmtpConfig;
use mahnwerk_proto::dunning::v1::{
    DunningSettings, GetDispatchRequest, GetRunRequest, ListNoticesRequest, Notice, NoticeChannel,
    NoticeState, ProposeRunRequest, ReleaseRunRequest, ReplayDifference, ReplayRunRequest, Run,
    RunState, SetDispatchRequest, SetDunningSettingsRequest, WhenStale,
};
use tokio::time::{interval, timeout};

use crate::fleet::{Fleet, insist};

/// Longest wait for a run to come so far.
const PATIENCE: Duration = Duration::from_secs(900);

/// The runs of a creditor.
#[derive(Clone, Copy)]
pub struct Reminders<'a> {
    /// Who is asked.
    pub fleet: &'a Fleet,
    /// Whose they are.
    pub creditor_id: &'a str,
}

/// What `ReplayRun` answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replayed {
    /// Debtors replayed.
    pub replayed: i64,
    /// Those of them whose plan differs.
    pub differing: i64,
    /// The first hundred of them.
    pub differences: Vec<ReplayDifference>,
    /// Of all replayed plans.
    pub digest: String,
}

impl Reminders<'_> {
    fn creditor_id(&self) -> String {
        self.creditor_id.to_owned()
    }

    /// Gives the e-mails of the creditor a sender and switches its dispatch on, once the write of a token is known
    /// everywhere.
    pub async fn switch_on(&self, at_least: &str) {
        self.arrived(at_least).await;
        let settings = DunningSettings {
            creditor_id: self.creditor_id(),
            when_stale: WhenStale::Withhold.into(),
            email_from: "dunning@example.com".to_owned(),
            ..DunningSettings::default()
        };
        let set = async |tries| {
            let mut procedures = self.fleet.dunning(tries).procedures;
            procedures
                .set_dunning_settings(SetDunningSettingsRequest {
                    request_id: "settings".to_owned(),
                    settings: Some(settings.clone()),
                    update_mask: ["when_stale", "email_from"].map(str::to_owned).to_vec(),
                    etag: String::new(),
                })
                .await
        };
        insist(set).await;
        let resume = async |tries| {
            let mut work = self.fleet.dunning(tries).work;
            work.set_dispatch(SetDispatchRequest {
                request_id: "dispatch".to_owned(),
                creditor_id: self.creditor_id(),
                enabled: true,
                reason: String::new(),
            })
            .await
        };
        insist(resume).await;
    }

    /// Waits until dunning contains the write of a token for everybody.
    pub async fn arrived(&self, at_least: &str) {
        let read = async |tries| {
            let mut work = self.fleet.dunning(tries).work;
            work.get_dispatch(GetDispatchRequest {
                creditor_id: self.creditor_id(),
                at_least: at_least.to_owned(),
            })
            .await
        };
        insist(read).await;
    }

    /// Proposes a run, once per name. Returns its id.
    pub async fn propose(&self, name: &str) -> String {
        let propose = async |tries| {
            let mut runs = self.fleet.dunning(tries).runs;
            runs.propose_run(ProposeRunRequest {
                request_id: name.to_owned(),
                creditor_id: self.creditor_id(),
                business_date: None,
            })
            .await
        };
        let (begun, _) = insist(propose).await;
        begun.into_inner().run.expect("a run").run_id
    }

    /// Releases a run.
    pub async fn release(&self, run_id: &str) {
        let release = async |tries| {
            let mut runs = self.fleet.dunning(tries).runs;
            runs.release_run(ReleaseRunRequest {
                request_id: format!("release-{run_id}"),
                creditor_id: self.creditor_id(),
                run_id: run_id.to_owned(),
                etag: String::new(),
            })
            .await
        };
        insist(release).await;
    }

    /// How a run stands.
    pub async fn run(&self, run_id: &str) -> Run {
        let read = async |tries| {
            let mut runs = self.fleet.dunning(tries).runs;
            runs.get_run(GetRunRequest {
                creditor_id: self.creditor_id(),
                run_id: run_id.to_owned(),
                at_least: String::new(),
            })
            .await
        };
        let (found, _) = insist(read).await;
        found.into_inner().run.expect("a run")
    }

    /// Waits until a run has come as far as `state`.
    ///
    /// # Panics
    /// If it takes too long.
    pub async fn reach(&self, run_id: &str, state: RunState) -> Run {
        let mut last = None;
        let reached = async {
            let mut pause = interval(Duration::from_millis(100));
            loop {
                pause.tick().await;
                let run = self.run(run_id).await;
                if run.state >= i32::from(state) {
                    return run;
                }
                last = Some(run);
            }
        };
        match timeout(PATIENCE, reached).await {
            Ok(run) => run,
            Err(_) => panic!("the run never is {state:?}: {last:?}"),
        }
    }

    /// The notices of a run.
    pub async fn notices(&self, run_id: &str) -> Vec<Notice> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let list = async |tries| {
                let mut runs = self.fleet.dunning(tries).runs;
                runs.list_notices(ListNoticesRequest {
                    creditor_id: self.creditor_id(),
                    run_id: run_id.to_owned(),
                    page_size: 1_000,
                    page_token: page_token.clone(),
                    ..ListNoticesRequest::default()
                })
                .await
            };
            let page = insist(list).await.0.into_inner();
            all.extend(page.notices);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// Replays a run.
    ///
    /// # Panics
    /// If there is no digest at the end.
    pub async fn replay(&self, run_id: &str) -> Replayed {
        let mut runs = self.fleet.dunning(0).runs;
        let answers = runs.replay_run(ReplayRunRequest {
            creditor_id: self.creditor_id(),
            run_id: run_id.to_owned(),
        });
        let mut answers = answers.await.expect("a replay").into_inner();
        let mut all = Replayed::default();
        while let Some(answer) = answers.message().await.expect("an answer") {
            all.replayed = answer.replayed;
            all.differing = answer.differing;
            all.differences.extend(answer.differences);
            all.digest = answer.digest;
        }
        assert!(!all.digest.is_empty(), "a replay without a digest");
        all
    }
}

/// What was found out about notices, so that a test can print it and refuse zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Sent, over whatever channel.
    pub sent: usize,
    /// Those of them that went by e-mail.
    pub emails: usize,
    /// Of nobody knows which.
    pub uncertain: usize,
    /// Those of them that the mail server has.
    pub uncertain_received: usize,
    /// Withdrawn before they could be sent.
    pub withdrawn: usize,
    /// Messages that the mail server has.
    pub received: usize,
}

/// Holds all notices of a creditor against what a mail server has taken, by Message-ID: each is sent once, or uncertain
/// and not sent again, or withdrawn and never sent; and no step of an item left twice.
///
/// # Panics
/// On the first difference, and if more are uncertain than can have been on their way at the kills of dunning.
#[must_use]
pub fn never_twice(notices: &[Notice], received: &BTreeMap<String, u32>, kills: usize) -> Verdict {
    let mut verdict = Verdict {
        received: received.len(),
        ..Verdict::default()
    };
    let mut sent = BTreeSet::new();
    let mut uncertain = BTreeSet::new();
    let mut steps = BTreeSet::new();
    for notice in notices {
        match notice.state() {
            NoticeState::Sent => verdict.sent += 1,
            NoticeState::Uncertain => verdict.uncertain += 1,
            NoticeState::Withdrawn => {
                verdict.withdrawn += 1;
                continue;
            }
            other => panic!("a notice is {other:?}: {notice:?}"),
        }
        for item in &notice.items {
            let step = (&item.item_id, item.cycle, item.level);
            assert!(steps.insert(step), "{step:?} left twice");
        }
        if notice.channel() == NoticeChannel::Email {
            let ids = match notice.state() {
                NoticeState::Sent => &mut sent,
                _ => &mut uncertain,
            };
            assert!(ids.insert(notice.message_id.as_str()), "{notice:?}");
        }
    }
    for (message_id, times) in received {
        assert_eq!(*times, 1, "{message_id} was received so often");
    }
    let received: BTreeSet<&str> = received.keys().map(String::as_str).collect();
    let notices_of: BTreeSet<_> = received.iter().map(|id| id.split('.').next()).collect();
    assert_eq!(
        notices_of.len(),
        received.len(),
        "a notice has two messages"
    );
    let lost: Vec<_> = sent.difference(&received).collect();
    assert!(lost.is_empty(), "sent and never received: {lost:?}");
    let unknown: Vec<_> = received.difference(&sent).copied().collect();
    let unknown: BTreeSet<&str> = unknown.into_iter().collect();
    let surplus: Vec<_> = unknown.difference(&uncertain).collect();
    assert!(surplus.is_empty(), "received and not sent: {surplus:?}");
    verdict.emails = sent.len();
    verdict.uncertain_received = unknown.len();
    let on_their_way = kills * usize::from(SmtpConfig::default().connections);
    assert!(
        verdict.uncertain <= on_their_way,
        "{} uncertain after {kills} kills",
        verdict.uncertain
    );
    verdict
}
