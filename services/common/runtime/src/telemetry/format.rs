//! How a log line looks: one JSON object, or one line of text; both with the trace id.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::propagation::current_trace_id;
use crate::clock::SharedClock;

/// Formats events.
pub(super) struct Lines {
    pub(super) json: bool,
    pub(super) clock: SharedClock,
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, serde_json::Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<serde_json::Value>) {
        self.others.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.put(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.put(field, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = chrono::DateTime::from_timestamp_micros(self.clock.now())
            .unwrap_or_default()
            .to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let trace_id = current_trace_id();
        if !trace_id.is_empty() {
            fields.others.push(("trace_id", trace_id.into()));
        }
        let metadata = event.metadata();
        if self.json {
            let mut line = serde_json::Map::new();
            line.insert("time".to_owned(), time.into());
            line.insert("level".to_owned(), metadata.level().as_str().into());
            line.insert("target".to_owned(), metadata.target().into());
            line.insert("message".to_owned(), fields.message.into());
            for (name, value) in fields.others {
                line.insert(name.to_owned(), value);
            }
            writeln!(writer, "{}", serde_json::Value::Object(line))
        } else {
            write!(
                writer,
                "{time} {:5} {}: {}",
                metadata.level().as_str(),
                metadata.target(),
                fields.message
            )?;
            for (name, value) in fields.others {
                write!(writer, " {name}={value}")?;
            }
            writeln!(writer)
        }
    }
}
