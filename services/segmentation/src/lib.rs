//! Segmentation: schemes, memberships and their history.
