//! `mahnwerk-segmentation serve | migrate | check-config`.

use std::process::ExitCode;

use mahnwerk_runtime::cli::service_main;
use mahnwerk_segmentation::{SERVICE, config::Settings, migrations, start};

fn main() -> ExitCode {
    service_main(
        SERVICE,
        migrations(),
        |settings: Settings, shutdown| async { start(settings, shutdown).await?.stopped().await },
    )
}
