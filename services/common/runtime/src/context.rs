//! Who calls, and under which ids: what a handler knows about its call beyond the message.

use tokio::time::Instant;

use crate::telemetry;

/// The caller of every call of a service without a table of callers.
pub const LOCAL_PRINCIPAL: &str = "local";

/// Begins the principals of background work. No caller is called so: names of callers have no colon, those made of claims
/// begin with that of their issuer, and no issuer may be called `internal`.
const INTERNAL: &str = "internal:";

/// Metadata key by which a caller may name a call (1 to 64 of `A-Za-z0-9._~-`) to find it again in the log. It has no
/// effect, unlike the `request_id` of a message. Answers carry it back.
pub const CALL_ID_HEADER: &str = "x-request-id";

/// A call, put into the extensions of every request by the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who calls.
    pub principal: String,
    /// Names this one call in the log: [`CALL_ID_HEADER`], or made here.
    pub request_id: String,
    /// W3C `traceparent` of the call's span; empty if there is none.
    pub traceparent: String,
    /// When the answer must have been given; `None` for streams without a deadline.
    pub deadline: Option<Instant>,
}

impl Call {
    /// The call that `request` belongs to; by `unknown` if it did not come through the server.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self::by("unknown".to_owned()))
    }

    /// A call that nobody made: background work called `name`, under the current span.
    #[must_use]
    pub fn internal(name: &str) -> Self {
        Self::by(format!("{INTERNAL}{name}"))
    }

    fn by(principal: String) -> Self {
        Self {
            principal,
            request_id: String::new(),
            traceparent: telemetry::current_traceparent(),
            deadline: None,
        }
    }

    /// Time left until the deadline; `None` without a deadline.
    #[must_use]
    pub fn time_left(&self) -> Option<std::time::Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// The principal, unless it is background work.
#[must_use]
pub fn somebody(principal: &str) -> Option<&str> {
    Some(principal).filter(|principal| !principal.starts_with(INTERNAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_work_is_nobody() {
        assert_eq!(somebody(&Call::internal("runs").principal), None);
        for caller in [LOCAL_PRINCIPAL, "checkout", "login:internal"] {
            assert_eq!(somebody(caller), Some(caller));
        }
    }
}
