//! Every name that the runtime gives to a metric, a span or an attribute.

/// Histogram, seconds: duration of server calls by [`METHOD`] and [`CODE`].
pub const RPC_DURATION: &str = "rpc.server.duration";
/// Up-down counter: server calls being worked on, by [`METHOD`].
pub const RPC_ACTIVE: &str = "rpc.server.active_requests";
/// Gauge by [`SERVICE`]: 1 while the service is ready, else 0.
pub const READY: &str = "mahnwerk.ready";

/// Attribute: path of the method, or `other` for paths nobody knows.
pub const METHOD: &str = "rpc.method";
/// Attribute: name of the gRPC status code, for example `NOT_FOUND`.
pub const CODE: &str = "rpc.grpc.status_code";
/// Attribute: the service.
pub const SERVICE: &str = "service";

/// Name of the meter of all crates.
pub const METER: &str = "mahnwerk";
/// Log target of the canonical line of every call.
pub const CALL_LOG: &str = "mahnwerk::call";
