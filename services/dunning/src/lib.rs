//! Dunning: procedures, runs, notices, tasks and dispatch.
