//! The policy that every method declares, read from the descriptors.

use std::{collections::BTreeMap, sync::LazyLock};

use prost_reflect::Value;
pub use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor};

use crate::common::v1::Idempotency;

/// What a method demands and promises; see `mahnwerk.common.v1.MethodPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The scope the caller must hold.
    pub scope: String,
    /// How a repeated call behaves.
    pub idempotency: Idempotency,
    /// Callers that may see some creditors only may call it although it names none.
    pub without_creditor: bool,
}

/// A method and its policy; `None` means that it declares none and must be denied.
#[derive(Clone, Debug)]
pub struct Method {
    /// Path on the wire, for example `/mahnwerk.registry.v1.DebtorService/GetDebtor`.
    pub path: String,
    /// The descriptor.
    pub descriptor: MethodDescriptor,
    /// The policy.
    pub policy: Option<Policy>,
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).unwrap_or_default());

static METHODS: LazyLock<BTreeMap<String, Method>> = LazyLock::new(|| {
    let extension = POOL.get_extension_by_name("mahnwerk.common.v1.policy");
    POOL.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|descriptor| {
            let path = format!(
                "/{}/{}",
                descriptor.parent_service().full_name(),
                descriptor.name()
            );
            let policy = extension
                .as_ref()
                .and_then(|extension| read_policy(&descriptor, extension));
            (
                path.clone(),
                Method {
                    path,
                    descriptor,
                    policy,
                },
            )
        })
        .collect()
});

fn read_policy(
    method: &MethodDescriptor,
    extension: &prost_reflect::ExtensionDescriptor,
) -> Option<Policy> {
    let options = method.options();
    if !options.has_extension(extension) {
        return None;
    }
    let value = options.get_extension(extension);
    let message = value.as_message()?;
    let scope = message.get_field_by_name("scope")?.as_str()?.to_owned();
    let idempotency = match *message.get_field_by_name("idempotency")? {
        Value::EnumNumber(number) => Idempotency::try_from(number).ok()?,
        _ => return None,
    };
    let without_creditor = message.get_field_by_name("without_creditor")?.as_bool()?;
    (!scope.is_empty() && idempotency != Idempotency::Unspecified).then_some(Policy {
        scope,
        idempotency,
        without_creditor,
    })
}

/// The descriptors of all files.
#[must_use]
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// All methods of all services, by path.
#[must_use]
pub fn methods() -> &'static BTreeMap<String, Method> {
    &METHODS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_declares_a_policy() {
        let methods = methods();
        assert!(methods.len() > 40, "only {} methods found", methods.len());
        let without: Vec<_> = methods
            .values()
            .filter(|method| method.policy.is_none())
            .map(|method| method.path.as_str())
            .collect();
        assert!(without.is_empty(), "methods without a policy: {without:?}");
    }

    #[test]
    fn writes_that_promise_a_request_id_take_one() {
        for method in methods().values() {
            let takes = method
                .descriptor
                .input()
                .get_field_by_name("request_id")
                .is_some();
            let promises = method.policy.as_ref().map(|policy| policy.idempotency)
                == Some(Idempotency::RequestId);
            assert_eq!(takes, promises, "{}", method.path);
        }
    }
}
