# syntax=docker/dockerfile:1
# All programs in one image: a node that runs several services pulls it once, and there is one thing to scan and to sign.
# Which program runs says the command: mahnwerk-registry, mahnwerk-scoring, mahnwerk-segmentation, mahnwerk-dunning, or
# mahnwerk, the client.
#
#   docker build -t mahnwerk:0.1.0 .
#
# No image has been built where this file is checked, as there is no network to pull the bases from. Pin them by digest
# where releases are built.

FROM rust:1.95.0-slim-bookworm AS build
# Writes the list of all dependencies into each program, where scanners of images find it.
RUN cargo install --locked cargo-auditable@0.7.7
WORKDIR /src
COPY . .
# Line tables are for machines on which people look for defects; panics tell their place without them.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
# The caches outlive a build, so the programs are copied out of the one that holds them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo auditable build --release --locked \
        --package mahnwerk \
        --package mahnwerk-registry \
        --package mahnwerk-scoring \
        --package mahnwerk-segmentation \
        --package mahnwerk-dunning && \
    mkdir /programs && \
    cp target/release/mahnwerk \
        target/release/mahnwerk-registry \
        target/release/mahnwerk-scoring \
        target/release/mahnwerk-segmentation \
        target/release/mahnwerk-dunning \
        /programs/

# No shell, no package manager; user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /programs/ /usr/local/bin/
COPY LICENSE /usr/share/doc/mahnwerk/
USER 65532:65532
CMD ["mahnwerk", "--help"]
