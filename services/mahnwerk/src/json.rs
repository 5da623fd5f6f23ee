//! Messages as JSON with the field names of the protos: dates and times as ISO 8601 text, enums by name, whole numbers
//! as numbers, every field present.

use mahnwerk_proto::policy;
use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _,
    Value as Field,
};
use serde_json::{Map, Value, json};

/// A message as JSON; `name` is its full name. Null if there is no such message.
pub(crate) fn message(name: &str, message: &impl Message) -> Value {
    let Some(descriptor) = policy::pool().get_message_by_name(name) else {
        return Value::Null;
    };
    decode(descriptor, &message.encode_to_vec())
}

/// Several messages of the same type.
pub(crate) fn messages(name: &str, list: &[impl Message]) -> Value {
    list.iter().map(|item| message(name, item)).collect()
}

fn decode(descriptor: MessageDescriptor, bytes: &[u8]) -> Value {
    DynamicMessage::decode(descriptor, bytes).map_or(Value::Null, |message| object(&message))
}

fn object(message: &DynamicMessage) -> Value {
    let number = |name: &str| {
        message
            .get_field_by_name(name)
            .map(|field| field.as_i64().unwrap_or_default())
    };
    match message.descriptor().full_name() {
        "mahnwerk.common.v1.Date" => return json!(date_text(message)),
        "google.protobuf.Timestamp" => {
            let seconds = number("seconds").unwrap_or_default();
            let nanos = message
                .get_field_by_name("nanos")
                .and_then(|field| field.as_i32())
                .unwrap_or_default();
            let time =
                chrono::DateTime::from_timestamp(seconds, u32::try_from(nanos).unwrap_or_default());
            return time.map_or(Value::Null, |time| {
                json!(time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
            });
        }
        "google.protobuf.Any" => return any(message),
        _ => {}
    }
    let descriptor = message.descriptor();
    let fields = descriptor.fields().map(|field| {
        let absent = field.supports_presence() && !message.has_field(&field);
        let content = if absent {
            Value::Null
        } else {
            value(&message.get_field(&field), &field)
        };
        (field.name().to_owned(), content)
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn value(field: &Field, descriptor: &FieldDescriptor) -> Value {
    match field {
        Field::Bool(flag) => json!(flag),
        Field::I32(number) => json!(number),
        Field::I64(number) => json!(number),
        Field::U32(number) => json!(number),
        Field::U64(number) => json!(number),
        Field::F32(number) => json!(number),
        Field::F64(number) => json!(number),
        Field::String(text) => json!(text),
        Field::Bytes(bytes) => json!(bytes.to_vec()),
        Field::EnumNumber(number) => match descriptor.kind() {
            Kind::Enum(names) => names
                .get_value(*number)
                .map_or(json!(number), |it| json!(it.name())),
            _ => json!(number),
        },
        Field::Message(message) => object(message),
        Field::List(list) => list.iter().map(|item| value(item, descriptor)).collect(),
        Field::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, item)| (key_text(key), value(item, descriptor)));
            Value::Object(entries.collect())
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(flag) => flag.to_string(),
        MapKey::I32(number) => number.to_string(),
        MapKey::I64(number) => number.to_string(),
        MapKey::U32(number) => number.to_string(),
        MapKey::U64(number) => number.to_string(),
        MapKey::String(text) => text.clone(),
    }
}

fn date_text(message: &DynamicMessage) -> String {
    let part = |name: &str| {
        message
            .get_field_by_name(name)
            .and_then(|field| field.as_i32())
            .unwrap_or_default()
    };
    format!(
        "{:04}-{:02}-{:02}",
        part("year"),
        part("month"),
        part("day")
    )
}

/// What is packed, under `@type`, or the type alone if it is not one of ours.
fn any(message: &DynamicMessage) -> Value {
    let url = message
        .get_field_by_name("type_url")
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default();
    let name = url.rsplit('/').next().unwrap_or_default();
    let packed = message
        .get_field_by_name("value")
        .and_then(|it| it.as_bytes().cloned())
        .unwrap_or_default();
    let mut content = match policy::pool()
        .get_message_by_name(name)
        .map(|descriptor| decode(descriptor, &packed))
    {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    content.insert("@type".to_owned(), json!(name));
    Value::Object(content)
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::{
        common::v1::{Change, Date, Money},
        registry::v1::{Item, ItemKind},
    };
    use prost_types::{Any, Timestamp};

    use super::*;

    fn item() -> Item {
        Item {
            item_id: "R-1".to_owned(),
            kind: ItemKind::Invoice.into(),
            amount: Some(Money {
                currency_code: "EUR".to_owned(),
                minor_units: 1_234,
            }),
            due_date: Some(Date {
                year: 2025,
                month: 7,
                day: 1,
            }),
            ..Item::default()
        }
    }

    #[test]
    fn dates_amounts_enums_and_absent_fields_have_stable_forms() {
        let json = message("mahnwerk.registry.v1.Item", &item());
        assert_eq!(json["due_date"], "2025-07-01");
        assert_eq!(
            json["amount"],
            json!({"currency_code": "EUR", "minor_units": 1_234})
        );
        assert_eq!(json["kind"], "ITEM_KIND_INVOICE");
        assert_eq!(json["discount_date"], Value::Null);
        assert_eq!(json["reversed"], false);
        assert_eq!(json["entries"], json!([]));
    }

    #[test]
    fn a_change_shows_what_is_packed_in_it() {
        let change = Change {
            record_time: Some(Timestamp {
                seconds: 86_400,
                nanos: 5_000,
            }),
            state: Some(Any {
                type_url: "type.googleapis.com/mahnwerk.registry.v1.Item".to_owned(),
                value: item().encode_to_vec(),
            }),
            ..Change::default()
        };
        let json = message("mahnwerk.common.v1.Change", &change);
        assert_eq!(json["record_time"], "1970-01-02T00:00:00.000005Z");
        assert_eq!(json["state"]["@type"], "mahnwerk.registry.v1.Item");
        assert_eq!(json["state"]["item_id"], "R-1");
    }

    /// A misspelt name would be printed as nothing.
    #[test]
    fn every_message_and_enum_that_the_program_names_exists() {
        let mut directories = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut found = 0;
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let source = std::fs::read_to_string(&path).expect("a source file");
                for name in source.split('"').filter(|text| is_full_name(text)) {
                    let message = policy::pool().get_message_by_name(name).is_some();
                    let known = message || policy::pool().get_enum_by_name(name).is_some();
                    assert!(known, "{name} in {}", path.display());
                    found += 1;
                }
            }
        }
        assert!(found > 50, "only {found} names");
    }

    fn is_full_name(text: &str) -> bool {
        let parts: Vec<_> = text.split('.').collect();
        parts.len() == 4 && parts[0] == "mahnwerk" && parts[2] == "v1"
    }
}
