//! Every name under which the suite tells of itself: metrics, their labels, log targets and the words by which log lines
//! raise an alarm. Nothing else in the workspace makes up a name of its own.

mod metrics;

pub use metrics::*;

/// Label: path of the method, or `other` for paths nobody knows.
pub const METHOD: &str = "rpc.method";
/// Label: name of the gRPC status code, for example `NOT_FOUND`.
pub const CODE: &str = "rpc.grpc.status_code";
/// Label: the service.
pub const SERVICE: &str = "service";
/// Label: version of the program.
pub const VERSION: &str = "version";
/// Label: the service whose database it is.
pub const POOL: &str = "db.client.connection.pool.name";
/// Label: `used` or `idle`.
pub const POOL_STATE: &str = "db.client.connection.state";
/// Label: the feed that is consumed, for example `registry`.
pub const FEED: &str = "feed";
/// Label: the service that consumes.
pub const CONSUMER: &str = "consumer";
/// Label: an entity of a feed, for example `debtor`.
pub const ENTITY: &str = "entity";
/// Label: who opens business days, `automatic` or `manual`.
pub const MODE: &str = "mode";
/// Label: where something stands, as the API names it, for example `RELEASED`.
pub const STATE: &str = "state";
/// Label: what a person has to do, as the API names it, for example `CALL`.
pub const KIND: &str = "kind";
/// Label: what was decided, or what came of something.
pub const OUTCOME: &str = "outcome";
/// Label: what was done, for example `moved`.
pub const ACTION: &str = "action";
/// Label: what put a debtor into its segment, for example `rule`.
pub const SOURCE: &str = "source";

/// Name of the meter and the tracer of all crates.
pub const METER: &str = "mahnwerk";
/// Log target of the canonical line of every call. All other lines have the path of their module as target.
pub const CALL_LOG: &str = "mahnwerk::call";

/// Value of the log field `alert`: a change could not be applied, and its debtor is parked.
pub const ALERT_PARKED: &str = "debtor_parked";
/// Value of the log field `alert`: rows of a projection differed from the upstream.
pub const ALERT_DRIFT: &str = "projection_drift";
/// Value of the log field `alert`: somebody asked for more than the feed ever told.
pub const ALERT_CURSOR: &str = "cursor_beyond_history";
