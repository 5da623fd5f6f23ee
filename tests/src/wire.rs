//! Calls of any method by its descriptor, and every way to spoil a request.

use mahnwerk_proto::policy::Method;
use prost::{
    Message as _,
    bytes::{Buf as _, BufMut as _},
};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
};
use tokio_stream::{StreamExt as _, iter};
use tonic::{
    Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::MetadataValue,
    transport::Channel,
};
use tonic_types::StatusExt as _;

/// Messages as bytes: one client for all methods.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; source.remaining()];
        source.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

/// Sends `requests` to the method at `path`, whatever its kind, and returns its first `answers` messages.
///
/// # Errors
/// The status, if it is not OK before that.
pub async fn call_raw(
    channel: &Channel,
    path: &str,
    requests: Vec<Vec<u8>>,
    answers: usize,
    call_id: Option<&str>,
) -> Result<Vec<Vec<u8>>, Status> {
    let headers = call_id.map(|id| ("x-request-id", id));
    call_with(channel, path, requests, answers, headers.as_slice()).await
}

/// As [`call_raw`], with headers.
///
/// # Errors
/// As [`call_raw`].
pub async fn call_with(
    channel: &Channel,
    path: &str,
    requests: Vec<Vec<u8>>,
    answers: usize,
    headers: &[(&'static str, &str)],
) -> Result<Vec<Vec<u8>>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(iter(requests));
    for (name, value) in headers {
        let value = MetadataValue::try_from(*value).expect("a text that fits a header");
        request.metadata_mut().insert(*name, value);
    }
    let path = PathAndQuery::try_from(path).expect("the path of a method");
    let mut stream = client.streaming(request, path, Raw).await?.into_inner();
    let mut messages = Vec::new();
    while messages.len() < answers
        && let Some(message) = stream.next().await
    {
        messages.push(message?);
    }
    Ok(messages)
}

/// Calls `method` and decodes its first answers.
///
/// # Errors
/// The status, if it is not OK.
pub async fn call(
    channel: &Channel,
    method: &Method,
    requests: &[DynamicMessage],
) -> Result<Vec<DynamicMessage>, Status> {
    // A stream without an end is left after its first message.
    let answers =
        if method.descriptor.is_server_streaming() && !method.descriptor.is_client_streaming() {
            1
        } else {
            usize::MAX
        };
    let encoded = requests.iter().map(|each| each.encode_to_vec()).collect();
    let raw = call_raw(channel, &method.path, encoded, answers, None).await?;
    let output = method.descriptor.output();
    Ok(raw
        .into_iter()
        .map(|each| DynamicMessage::decode(output.clone(), each.as_slice()).expect("an answer"))
        .collect())
}

/// A message from its JSON form.
///
/// # Panics
/// If the JSON does not fit, with its reason.
#[must_use]
pub fn message(descriptor: &MessageDescriptor, json: serde_json::Value) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor.clone(), json.clone())
        .unwrap_or_else(|error| panic!("{} from {json}: {error}", descriptor.full_name()))
}

/// `ErrorInfo.reason` of a status; empty if there is none.
#[must_use]
pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

/// The fields that `BadRequest` of a status names.
#[must_use]
pub fn violated_fields(status: &Status) -> Vec<String> {
    status
        .get_details_bad_request()
        .map(|bad| {
            bad.field_violations
                .into_iter()
                .map(|each| each.field)
                .collect()
        })
        .unwrap_or_default()
}

/// One field of a request, however deep, that can be given another value. Money and dates count as one field.
#[derive(Clone, Debug)]
pub struct Place {
    /// As violations name it, for example `allocations[0].amount`.
    pub path: String,
    /// The field.
    pub field: FieldDescriptor,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    field: FieldDescriptor,
    index: Option<usize>,
}

const MONEY: &str = "mahnwerk.common.v1.Money";
const DATE: &str = "mahnwerk.common.v1.Date";

/// All places of a request: the fields, set or not, of every message that is there.
#[must_use]
pub fn places(message: &DynamicMessage) -> Vec<Place> {
    let mut found = Vec::new();
    collect(message, "", &[], &mut found);
    found
}

fn collect(message: &DynamicMessage, prefix: &str, steps: &[Step], found: &mut Vec<Place>) {
    for field in message.descriptor().fields() {
        let path = format!("{prefix}{}", field.name());
        let step = |index| {
            let mut steps = steps.to_vec();
            let field = field.clone();
            steps.push(Step { field, index });
            steps
        };
        let nested = match field.kind() {
            Kind::Message(inner) => ![MONEY, DATE].contains(&inner.full_name()),
            _ => false,
        };
        if !nested {
            found.push(Place {
                path,
                field: field.clone(),
                steps: step(None),
            });
            continue;
        }
        if !message.has_field(&field) {
            continue;
        }
        match message.get_field(&field).as_ref() {
            Value::Message(inner) => collect(inner, &format!("{path}."), &step(None), found),
            Value::List(list) => {
                for (index, each) in list.iter().enumerate() {
                    if let Value::Message(inner) = each {
                        collect(
                            inner,
                            &format!("{path}[{index}]."),
                            &step(Some(index)),
                            found,
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

impl Place {
    /// Puts `value` there.
    pub fn put(&self, message: &mut DynamicMessage, value: Value) {
        put(message, &self.steps, value);
    }

    /// The same place as somebody names it who sees only a part of the request.
    #[must_use]
    pub fn known_as(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Whether a violation of `field` is one of this place, or of a part of it.
    #[must_use]
    pub fn is_named_by(&self, field: &str) -> bool {
        field
            .strip_prefix(self.path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// Whether it is a part of what `field` names.
    #[must_use]
    pub fn is_within(&self, field: &str) -> bool {
        self.path
            .strip_prefix(field)
            .is_some_and(|rest| rest.starts_with(['.', '[']))
    }

    /// Values that no such field may have, each with what is wrong about it.
    #[must_use]
    pub fn bad_values(&self) -> Vec<(&'static str, Value)> {
        let one = self.bad_elements();
        if !self.field.is_list() {
            return one;
        }
        one.into_iter()
            .map(|(what, value)| (what, Value::List(vec![value])))
            .collect()
    }

    fn bad_elements(&self) -> Vec<(&'static str, Value)> {
        let money = |currency: &str, minor: i64| {
            let mut money = DynamicMessage::new(self.message_type());
            money.set_field_by_name("currency_code", Value::String(currency.to_owned()));
            money.set_field_by_name("minor_units", Value::I64(minor));
            Value::Message(money)
        };
        let year = |year: i32| {
            let mut date = DynamicMessage::new(self.message_type());
            date.set_field_by_name("year", Value::I32(year));
            date.set_field_by_name("month", Value::I32(6));
            date.set_field_by_name("day", Value::I32(15));
            Value::Message(date)
        };
        match self.field.kind() {
            Kind::String => {
                let mut bad = vec![("100 KB of text", Value::String("x".repeat(100_000)))];
                if self.field.name().contains("currency") {
                    bad.push(("no such currency", Value::String("XXX".to_owned())));
                    bad.push(("lower-case currency", Value::String("eur".to_owned())));
                }
                bad
            }
            Kind::Enum(_) => vec![
                ("unknown enum value", Value::EnumNumber(999)),
                ("unspecified enum value", Value::EnumNumber(0)),
            ],
            Kind::Int32 => vec![("negative number", Value::I32(-1))],
            Kind::Int64 => vec![
                ("negative number", Value::I64(-1)),
                ("largest number", Value::I64(i64::MAX)),
            ],
            Kind::Message(inner) if inner.full_name() == MONEY => vec![
                ("negative amount", money("EUR", -1)),
                ("largest amount", money("EUR", i64::MAX)),
                ("no such currency", money("XXX", 1)),
                ("lower-case currency", money("eur", 1)),
            ],
            Kind::Message(inner) if inner.full_name() == DATE => {
                vec![("year 0", year(0)), ("year 10000", year(10_000))]
            }
            _ => Vec::new(),
        }
    }

    fn message_type(&self) -> MessageDescriptor {
        match self.field.kind() {
            Kind::Message(inner) => inner,
            other => panic!("{} is no message but {other:?}", self.path),
        }
    }
}

fn put(message: &mut DynamicMessage, steps: &[Step], value: Value) {
    let (step, rest) = steps.split_first().expect("a place has steps");
    if rest.is_empty() {
        message.set_field(&step.field, value);
        return;
    }
    let inner = match (message.get_field_mut(&step.field), step.index) {
        (Value::Message(inner), None) => inner,
        (Value::List(list), Some(index)) => match &mut list[index] {
            Value::Message(inner) => inner,
            other => panic!("{other:?} is no message"),
        },
        (other, _) => panic!("{other:?} is no message"),
    };
    put(inner, rest, value);
}
