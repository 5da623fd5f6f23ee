//! How notices leave.
