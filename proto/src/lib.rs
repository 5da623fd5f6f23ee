//! The wire: messages, clients and servers generated from the protos, and their descriptors.
//!
//! The comments in the `.proto` files are the reference manual; they come through as the documentation of this crate.

/// Types and services shared by all services.
pub mod common {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mahnwerk.common.v1");
    }
}

/// Debtors and the receivables account.
pub mod registry {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mahnwerk.registry.v1");
    }
}

/// Scores and credit decisions.
pub mod scoring {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mahnwerk.scoring.v1");
    }
}

/// Schemes and memberships.
pub mod segmentation {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mahnwerk.segmentation.v1");
    }
}

/// Procedures, runs, notices and tasks.
pub mod dunning {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mahnwerk.dunning.v1");
    }
}

mod code;
mod key;
pub mod policy;
pub mod timeout;

pub use code::code_text;
pub use key::is_key;

/// The encoded `FileDescriptorSet` of all files, imports and options included.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptor");
