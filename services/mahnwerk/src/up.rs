//! `mahnwerk up`.

use mahnwerk_runtime::{
    config::{LogFormat, LogSettings},
    server::shutdown_on_signals,
    telemetry,
};

use crate::{
    cli::UpArgs,
    client::Result,
    services::{Ports, Services, url},
};

/// Runs all services until told to stop.
///
/// # Errors
/// If one does not start, or fails.
pub(crate) async fn run(args: &UpArgs) -> Result<()> {
    let telemetry = telemetry::init(
        "mahnwerk",
        &LogSettings {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        },
    )?;
    let shutdown = shutdown_on_signals()?;
    let ports = Ports {
        registry: args.registry_port,
        scoring: args.scoring_port,
    };
    let services = Services::start(&args.data, ports, &shutdown).await?;
    say!(
        "registry  {}  metrics and health http://{}",
        url(services.registry.api),
        services.registry.ops
    );
    say!(
        "scoring   {}  metrics and health http://{}",
        url(services.scoring.api),
        services.scoring.ops
    );
    say!("data in {}; stop with Ctrl-C", args.data.display());
    let result = services.stopped().await;
    telemetry.shutdown().await;
    result
}
