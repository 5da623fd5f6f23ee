//! Which creditors an encoded request names, found without decoding the rest.
//!
//! Every request names its creditor in a field `creditor_id`, at the top or within the resource that it carries. All of
//! them count: a message that names two creditors is about both.

use std::{collections::BTreeMap, sync::LazyLock};

use mahnwerk_proto::policy::{Kind, MessageDescriptor, methods};
use prost::{
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

/// Name of the field.
const FIELD: &str = "creditor_id";
/// How deep messages are looked into. Ours are not deeper, which a test holds.
const MAX_DEPTH: usize = 6;

/// Where the creditors are in messages of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    here: Option<u32>,
    within: Vec<(u32, Places)>,
}

static METHODS: LazyLock<BTreeMap<&'static str, Option<Places>>> = LazyLock::new(|| {
    methods()
        .values()
        .map(|method| (method.path.as_str(), Places::of(&method.descriptor.input())))
        .collect()
});

/// Where requests of the method at `path` name their creditors; `None` if they name none, or there is no such method.
#[must_use]
pub fn places_in(path: &str) -> Option<&'static Places> {
    METHODS.get(path)?.as_ref()
}

/// The bytes are no message of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is no message of its type")]
pub struct Malformed;

impl Places {
    /// Where they are in messages of this type; `None` if there is no such field.
    #[must_use]
    pub fn of(message: &MessageDescriptor) -> Option<Self> {
        Self::look(message, MAX_DEPTH)
    }

    fn look(message: &MessageDescriptor, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let mut places = Self::default();
        for field in message.fields() {
            match field.kind() {
                Kind::String if field.name() == FIELD => places.here = Some(field.number()),
                Kind::Message(inner) => {
                    if let Some(inner) = Self::look(&inner, depth) {
                        places.within.push((field.number(), inner));
                    }
                }
                _ => {}
            }
        }
        (places.here.is_some() || !places.within.is_empty()).then_some(places)
    }

    /// Shows every creditor that `message` names to `visit`, until that says no. Whether there was one.
    ///
    /// # Errors
    /// If the bytes cannot be read.
    pub fn visit(
        &self,
        mut message: &[u8],
        visit: &mut impl FnMut(&str),
    ) -> Result<bool, Malformed> {
        let mut found = false;
        while message.has_remaining() {
            let (number, wire) = decode_key(&mut message).map_err(|_| Malformed)?;
            let inner = self.within.iter().find(|(field, _)| *field == number);
            let is_here = self.here == Some(number);
            if wire != WireType::LengthDelimited || (!is_here && inner.is_none()) {
                // Of another wire type it is no such field for the decoder either, which refuses the message then.
                skip_field(wire, number, &mut message, DecodeContext::default())
                    .map_err(|_| Malformed)?;
                continue;
            }
            let length = decode_varint(&mut message).map_err(|_| Malformed)?;
            let length = usize::try_from(length).map_err(|_| Malformed)?;
            let (content, rest) = message.split_at_checked(length).ok_or(Malformed)?;
            message = rest;
            if let Some((_, places)) = inner {
                found |= places.visit(content, visit)?;
            } else {
                // An empty one as well: it is what the decoder keeps if it comes last, and it is nobody's.
                visit(std::str::from_utf8(content).map_err(|_| Malformed)?);
                found = true;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
#[path = "creditor_tests.rs"]
mod tests;
