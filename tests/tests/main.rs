//! One program for all tests of the whole suite: it is linked once, where a program for each file would be as large.

mod acceptance;
mod access;
mod clusters;
mod conformance;
mod descriptors;
mod dunning_postgres;
mod examples;
mod feed_torture;
mod freshness;
mod import_resume;
mod metrics;
mod never_twice;
mod operations;
mod personal_data;
mod python_client;
mod rolling;
mod services_postgres;
mod shutdown;
mod simulation;
mod torture;
mod trace;
