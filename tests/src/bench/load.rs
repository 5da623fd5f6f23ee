//! Callers that each wait for an answer before they call again.

use std::time::Duration;

use tokio::time::Instant;

/// Calls in flight.
pub const IN_FLIGHT: usize = 64;
/// Each thing is measured so often, in turns with its floor, and so long each time.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
/// No caller makes more calls than this in a round.
const MOST_CALLS: u64 = 100_000;

/// Rate and latency over all rounds.
#[derive(Default)]
pub struct Measured {
    rates: Vec<f64>,
    micros: Vec<u64>,
}

impl Measured {
    /// The median of the rounds, in calls per second.
    pub fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    /// Median and 99th percentile in microseconds.
    pub fn latency(&self) -> (u64, u64) {
        percentiles(self.micros.clone())
    }
}

/// Median and 99th percentile.
pub fn percentiles(mut values: Vec<u64>) -> (u64, u64) {
    values.sort_unstable();
    let at = |percent: usize| values[(values.len() - 1) * percent / 100];
    (at(50), at(99))
}

/// Measures several kinds of calls in turns. A call gets the number of its caller and of its turn.
pub async fn in_turns<const N: usize>(kinds: [&dyn Kind; N]) -> [Measured; N] {
    let mut measured = [(); N].map(|()| Measured::default());
    for kind in kinds {
        round(kind, Duration::from_millis(500)).await;
    }
    for _ in 0..ROUNDS {
        for (kind, measured) in kinds.iter().zip(&mut measured) {
            let (rate, micros) = round(*kind, ROUND).await;
            measured.rates.push(rate);
            measured.micros.extend(micros);
        }
    }
    measured
}

/// A kind of call.
pub trait Kind: Sync {
    /// A caller of its own, which makes one call at a time.
    fn caller(&self, number: usize) -> Box<dyn Caller>;
}

/// Makes calls.
#[tonic::async_trait]
pub trait Caller: Send {
    /// One call, which must succeed.
    async fn call(&mut self, turn: u64);
}

async fn round(kind: &dyn Kind, length: Duration) -> (f64, Vec<u64>) {
    let began = Instant::now();
    let until = began + length;
    let callers: Vec<_> = (0..IN_FLIGHT)
        .map(|number| {
            let mut caller = kind.caller(number);
            tokio::spawn(async move {
                let mut micros = Vec::new();
                for turn in 0..MOST_CALLS {
                    let before = Instant::now();
                    if before >= until {
                        break;
                    }
                    caller.call(turn).await;
                    micros.push(u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
                micros
            })
        })
        .collect();
    let mut micros = Vec::new();
    for caller in callers {
        micros.extend(caller.await.expect("a caller"));
    }
    (micros.len() as f64 / began.elapsed().as_secs_f64(), micros)
}
