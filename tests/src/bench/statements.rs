//! Where the database spends its time: the statements that cost most, by `pg_stat_statements`.

use std::sync::OnceLock;

use crate::postgres::Cluster;

/// The cluster whose statements are counted, if they are.
static COUNTED: OnceLock<Cluster> = OnceLock::new();

/// Statements shown for each measurement.
const SHOWN: usize = 12;

/// A cluster that counts its statements, if that is `wanted`; counting costs a little.
pub fn cluster(wanted: bool) -> Cluster {
    if !wanted {
        return Cluster::start();
    }
    let cluster = Cluster::start_with(
        "-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track_planning=on",
    );
    let _told = cluster.sql("postgres", "CREATE EXTENSION pg_stat_statements");
    COUNTED.get_or_init(|| cluster).clone()
}

/// Prints what the statements since the last time cost, and counts anew.
pub fn report(what: &str) {
    let Some(cluster) = COUNTED.get() else { return };
    let told = cluster.sql(
        "postgres",
        &format!(
            "SELECT format('%10s ms %9s calls %9s rows  %s', round((total_exec_time + total_plan_time)::numeric, 1), \
             calls, rows, left(regexp_replace(query, '\\s+', ' ', 'g'), 110)) FROM pg_stat_statements \
             ORDER BY total_exec_time + total_plan_time DESC LIMIT {SHOWN}"
        ),
    );
    println!("\n{what}: time in the database by statement\n{told}");
    let _told = cluster.sql("postgres", "SELECT pg_stat_statements_reset()");
}
