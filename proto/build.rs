//! Compiles the protos without `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

/// Every file of the module. `google/protobuf/*` is bundled with the compiler.
const FILES: [&str; 19] = [
    "mahnwerk/common/v1/audit.proto",
    "mahnwerk/common/v1/error.proto",
    "mahnwerk/common/v1/feed.proto",
    "mahnwerk/common/v1/feed_admin.proto",
    "mahnwerk/common/v1/options.proto",
    "mahnwerk/common/v1/types.proto",
    "mahnwerk/dunning/v1/notice.proto",
    "mahnwerk/dunning/v1/procedure.proto",
    "mahnwerk/dunning/v1/run.proto",
    "mahnwerk/dunning/v1/work.proto",
    "mahnwerk/registry/v1/account.proto",
    "mahnwerk/registry/v1/approval.proto",
    "mahnwerk/registry/v1/arrangement.proto",
    "mahnwerk/registry/v1/creditor.proto",
    "mahnwerk/registry/v1/debtor.proto",
    "mahnwerk/registry/v1/import.proto",
    "mahnwerk/scoring/v1/scoring.proto",
    "mahnwerk/segmentation/v1/membership.proto",
    "mahnwerk/segmentation/v1/scheme.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=mahnwerk");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(FILES)?;
    // `encode_file_descriptor_set` keeps extensions; going through prost types would drop every method option.
    let encoded = compiler.encode_file_descriptor_set();
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("descriptor.bin"),
        encoded,
    )?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
