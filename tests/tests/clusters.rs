//! The PostgreSQL harness itself: what the feed's tests rely on when they kill, restore and fail over.

use e2e::postgres::Cluster;

#[test]
fn a_database_compares_text_by_bytes_and_goes_away() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    assert_eq!(
        cluster.sql(database.name(), "SELECT 'B' < 'a' AND 'a-c' < 'ab'"),
        "t"
    );
    let count = format!(
        "SELECT count(*) FROM pg_database WHERE datname = '{}'",
        database.name()
    );
    assert_eq!(cluster.sql("postgres", &count), "1");
    drop(database);
    assert_eq!(cluster.sql("postgres", &count), "0");
}

#[test]
fn a_cluster_survives_a_crash_a_dump_a_file_copy_and_a_failover() {
    let cluster = Cluster::start();
    let database = cluster.database_called("books");
    let sql = |cluster: &Cluster, sql: &str| cluster.sql("books", sql);
    assert_eq!(
        sql(&cluster, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)"),
        ""
    );
    cluster.crash();
    cluster.start_again();
    assert_eq!(sql(&cluster, "SELECT n FROM t"), "1");

    let elsewhere = Cluster::start();
    let restored = elsewhere.database_called("books");
    elsewhere.restore(&cluster.dump("books"), "books");
    assert_eq!(sql(&elsewhere, "SELECT n FROM t"), "1");
    drop(restored);

    let copy = cluster.copy_files();
    assert_eq!(sql(&cluster, "INSERT INTO t VALUES (2)"), "");
    cluster.put_back(&copy);
    assert_eq!(sql(&cluster, "SELECT count(*) FROM t"), "1");

    let standby = cluster.standby();
    assert_eq!(
        sql(&standby, "SELECT pg_is_in_recovery(), count(*) FROM t"),
        "t|1"
    );
    standby.promote();
    assert_eq!(sql(&standby, "INSERT INTO t VALUES (3) RETURNING n"), "3");
    assert_eq!(sql(&cluster, "SELECT count(*) FROM t"), "1");
    drop(database);
}
