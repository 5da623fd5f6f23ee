//! Kills spread over the work of a run.

use e2e::{fleet::Dice, reminders::Reminders, suite::Service};
use mahnwerk_proto::dunning::v1::{NoticeState, Run, RunState};

/// How often a replica was killed, by what the run was doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Killed {
    pub proposing: usize,
    pub releasing: usize,
    pub dispatching: usize,
}

impl Killed {
    pub fn total(&self) -> usize {
        self.proposing + self.releasing + self.dispatching
    }
}

/// All of a run. A fifth of it is evaluating, another one rendering, and the rest dispatch.
const ALL: usize = 1_000;

/// How much of a run of so many debtors and notices is done.
fn progress(run: &Run, debtors: i64, notices: i64) -> i64 {
    let (mut rendered, mut ended) = (0, 0);
    for count in &run.notices {
        if count.state() != NoticeState::Proposed {
            rendered += count.notices;
        }
        if !matches!(
            count.state(),
            NoticeState::Proposed | NoticeState::Released | NoticeState::Sending
        ) {
            ended += count.notices;
        }
    }
    200 * run.evaluated / debtors + 200 * rendered / notices + 600 * ended / notices
}

/// Kills one of two replicas `kills` times, each time the run has come as far as a point drawn before, or at once if it
/// has come further meanwhile. Of a run with so many notices and debtors.
pub async fn along(
    reminders: &Reminders<'_>,
    run_id: &str,
    kills: usize,
    notices: usize,
    debtors: usize,
) -> Killed {
    let mut dice = Dice(20_261_122);
    let [debtors, notices] = [debtors, notices].map(|it| i64::try_from(it).expect("few"));
    // Not at the very end: a replica that is started again takes its time.
    let mut points: Vec<_> = (0..kills).map(|_| dice.below(ALL * 9 / 10)).collect();
    points.sort_unstable();
    let mut killed = Killed::default();
    for point in points {
        let run = loop {
            let run = reminders.run(run_id).await;
            if progress(&run, debtors, notices) >= i64::try_from(point).expect("few") {
                break run;
            }
        };
        match run.state() {
            RunState::Proposing | RunState::Proposed => killed.proposing += 1,
            RunState::Released => killed.releasing += 1,
            RunState::Dispatching => killed.dispatching += 1,
            _ => return killed,
        }
        let victim = dice.below(2);
        reminders.fleet.kill(Service::Dunning, victim).await;
    }
    killed
}
