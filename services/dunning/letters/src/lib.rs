//! What notices say: templates and their rendering, without I/O.
