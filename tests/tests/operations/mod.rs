//! What those who run the suite do to it, with the services as processes of their own on real PostgreSQL: migrate,
//! upgrade, restart the database, back up and restore.
//!
//! What kills do is in `torture` and `never_twice`; what restores of one database do to the feed, in `feed_torture`.

mod migrations;
mod outage;
mod restore;
