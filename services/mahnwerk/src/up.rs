//! `mahnwerk up`.

use mahnwerk_runtime::{server::shutdown_on_signals, telemetry};

use crate::{
    cli::UpArgs,
    client::Result,
    services::{Ports, Services, log, url},
};

/// Runs all services until told to stop.
///
/// # Errors
/// If one does not start, or fails.
pub(crate) async fn run(args: &UpArgs) -> Result<()> {
    let telemetry = telemetry::init("mahnwerk", &log("info"))?;
    let shutdown = shutdown_on_signals()?;
    let ports = Ports {
        registry: args.registry_port,
        scoring: args.scoring_port,
        segmentation: args.segmentation_port,
        dunning: args.dunning_port,
    };
    let services = Services::start(&args.data, ports, &shutdown).await?;
    for (service, running) in services.running() {
        say!(
            "{:<13} {}  metrics and health http://{}",
            format!("{service:?}").to_lowercase(),
            url(running.api),
            running.ops
        );
    }
    say!("data in {}; stop with Ctrl-C", args.data.display());
    let result = services.stopped().await;
    telemetry.shutdown().await;
    result
}
