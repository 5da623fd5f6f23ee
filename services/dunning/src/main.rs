//! `mahnwerk-dunning serve | migrate | check-config`.

use std::process::ExitCode;

use mahnwerk_dunning::{SERVICE, config::Settings, migrations, start};
use mahnwerk_runtime::cli::service_main;

fn main() -> ExitCode {
    service_main(
        SERVICE,
        migrations(),
        |settings: Settings, shutdown| async { start(settings, shutdown).await?.stopped().await },
    )
}
