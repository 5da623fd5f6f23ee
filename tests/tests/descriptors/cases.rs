//! What is known about a method: a good request, what other content would be, and what its fields mean.

use e2e::wire::message;
use mahnwerk_proto::policy::Method;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tonic::Code;

/// A good request and what is known about its fields.
pub struct Case {
    messages: Vec<Value>,
    other: Option<Value>,
    refers: &'static [&'static str],
    names: &'static [&'static str],
    ignores: &'static [&'static str],
    may_be_unspecified: &'static [&'static str],
    otherwise: &'static [(&'static str, Code, &'static str)],
}

/// What a bad value of a field must lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// `INVALID_ARGUMENT` with this reason, naming the field.
    Named(&'static str),
    /// Another status.
    Status(Code, &'static str),
    /// The manual says that the field is ignored, or the value is good.
    Anything,
}

/// A good request that refers to a creditor and a debtor by its fields of these names.
pub fn good(request: Value) -> Case {
    Case {
        messages: vec![request],
        other: None,
        refers: &["creditor_id", "debtor_id"],
        names: &[],
        ignores: &[],
        may_be_unspecified: &[],
        otherwise: &[],
    }
}

impl Case {
    /// Changes that make it another request.
    pub fn other(mut self, patch: Value) -> Self {
        self.other = Some(patch);
        self
    }

    /// Ids of things that must exist.
    pub fn refers(mut self, paths: &'static [&'static str]) -> Self {
        self.refers = paths;
        self
    }

    /// Ids that are new, or name many things.
    pub fn names(mut self, paths: &'static [&'static str]) -> Self {
        self.names = paths;
        self
    }

    /// Fields that the manual says are output only or ignored.
    pub fn ignores(mut self, paths: &'static [&'static str]) -> Self {
        self.ignores = paths;
        self
    }

    /// Enums whose zero means something.
    pub fn may_be_unspecified(mut self, paths: &'static [&'static str]) -> Self {
        self.may_be_unspecified = paths;
        self
    }

    /// Fields whose bad values have a status of their own.
    pub fn otherwise(mut self, fields: &'static [(&'static str, Code, &'static str)]) -> Self {
        self.otherwise = fields;
        self
    }

    /// Followed by another message of the stream.
    pub fn then(mut self, message: Value) -> Self {
        self.messages.push(message);
        self
    }

    /// The messages of the request.
    pub fn messages(&self, method: &Method) -> Vec<DynamicMessage> {
        let input = method.descriptor.input();
        let make = |json: &Value| message(&input, json.clone());
        self.messages.iter().map(make).collect()
    }

    /// The only or first message.
    pub fn first_message(&self, method: &Method) -> DynamicMessage {
        self.messages(method).remove(0)
    }

    /// The request with other content; `None` where there is nothing but a request id.
    pub fn other_message(&self, method: &Method) -> Option<DynamicMessage> {
        let mut request = self.messages[0].clone();
        merge(&mut request, self.other.clone()?);
        Some(message(&method.descriptor.input(), request))
    }

    /// Whether the field at `path` names something that must exist.
    pub fn refers_by(&self, path: &str) -> bool {
        self.refers.contains(&path)
    }

    /// Whether it is known what the id at `path` is.
    pub fn knows_id(&self, path: &str) -> bool {
        self.refers_by(path) || self.names.contains(&path) || self.ignores_at(path)
    }

    fn ignores_at(&self, path: &str) -> bool {
        self.ignores.iter().any(|ignored| {
            path.strip_prefix(ignored)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// What the value described by `what` at `path` must lead to.
    pub fn expected(&self, path: &str, what: &str) -> Expected {
        let zero_is_good =
            what == "unspecified enum value" && self.may_be_unspecified.contains(&path);
        if zero_is_good || self.ignores_at(path) {
            return Expected::Anything;
        }
        let own = self.otherwise.iter().find(|(field, ..)| *field == path);
        match (own, path) {
            (Some((_, code, reason)), _) => Expected::Status(*code, reason),
            (None, "page_token") => Expected::Named("INVALID_PAGE_TOKEN"),
            (None, "etag") => Expected::Status(Code::Aborted, "ETAG_MISMATCH"),
            (None, _) => Expected::Named("INVALID_FIELDS"),
        }
    }
}

/// Puts the fields of `patch` into an object, however deep.
pub fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}
