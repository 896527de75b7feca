//! Reads an event before it is formatted.

use std::borrow::Cow;
use std::fmt::{self, Debug};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The name of the span that requests run in; its field `id` is the request id.
const REQUEST_SPAN: &str = "request";
/// The number of fields of a request's event.
const FIELDS: usize = 9;

/// The contents of an event.
pub(super) struct Record {
    pub(super) level: Level,
    pub(super) target: Cow<'static, str>,
    pub(super) message: String,
    pub(super) request_id: Option<String>,
    pub(super) fields: Vec<(&'static str, FieldValue)>,
}

pub(super) enum FieldValue {
    /// A string, which the text shows in quotation marks.
    Quoted(String),
    /// Any other value, as its `Display` or `Debug` shows it.
    Plain(String),
    /// A number or a boolean.
    Json(Value),
}

impl Record {
    /// Reads the event, and the request id from the span that it is in.
    pub(super) fn of<S, N>(context: &FmtContext<'_, S, N>, event: &Event<'_>) -> Self
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'w> FormatFields<'w> + 'static,
    {
        let mut record = Self {
            level: *event.metadata().level(),
            target: event.metadata().target().into(),
            message: String::new(),
            request_id: None,
            fields: Vec::with_capacity(FIELDS),
        };
        event.record(&mut record);
        if record.request_id.is_none() {
            let mut spans = context.event_scope().into_iter().flatten();
            let span = spans.find(|span| span.name() == REQUEST_SPAN);
            record.request_id = span.and_then(|span| {
                let extensions = span.extensions();
                let id = extensions.get::<FormattedFields<N>>()?;
                Some(id.fields.clone())
            });
        }
        record
    }

    fn field(&self, name: &str) -> Option<&FieldValue> {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Some(FieldValue::Quoted(text) | FieldValue::Plain(text)) => text,
            _ => "",
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.field(name) {
            Some(FieldValue::Json(value)) => value.as_f64(),
            _ => None,
        }
    }

    fn record(&mut self, field: &Field, value: FieldValue) {
        match (field.name(), value) {
            ("message", FieldValue::Quoted(text) | FieldValue::Plain(text)) => self.message = text,
            ("request_id", FieldValue::Quoted(text) | FieldValue::Plain(text)) => {
                self.request_id = Some(text);
            }
            // Events of the crate `log` have their target in this field.
            ("log.target", FieldValue::Quoted(text) | FieldValue::Plain(text)) => {
                self.target = text.into();
            }
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record(field, FieldValue::Plain(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, FieldValue::Quoted(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, FieldValue::Json(value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, FieldValue::Json(value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, FieldValue::Json(value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // Rounds milliseconds to microseconds.
        let rounded = (value * 1000.0).round() / 1000.0;
        self.record(field, FieldValue::Json(rounded.into()));
    }
}

/// Formats the fields of a span as the value of `id` alone.
pub(in crate::commands::logging) struct RequestIdOfSpan;

impl<'w> FormatFields<'w> for RequestIdOfSpan {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut id = IdWriter {
            writer,
            result: Ok(()),
        };
        fields.record(&mut id);
        id.result
    }
}

struct IdWriter<'w> {
    writer: Writer<'w>,
    result: fmt::Result,
}

impl Visit for IdWriter<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "id" {
            self.result = write!(self.writer, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "id" {
            self.result = self.writer.write_str(value);
        }
    }
}
