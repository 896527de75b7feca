//! The format of a log line, as text and as JSON.
//!
//! A request is one line: `2026-11-25T02:49:07Z GET /api/users 200 2.1ms id=… 127.0.0.1`. The
//! service emits its event, with the target [`REQUEST`], at the end of the response's body. The
//! line of any other event has its level, target, message and fields, and the id of the request
//! that it belongs to.

mod record;

use std::fmt::{self, Write as _};

use serde_json::{Map, Value, json};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

pub(super) use record::RequestIdOfSpan;
use record::{FieldValue, Record};

/// The target of the event that each request ends with. Its fields: `request_id`, `method`, `path`,
/// `operation`, `status` (absent without a response), `duration_ms`, `bytes`, `outcome`
/// ("complete", "broken off", "cut off", "panicked" or "client disconnected"), `peer`, `trace_id` (absent
/// without a valid `traceparent`).
const REQUEST: &str = "ecommerce_api::request";
/// The outcome of most requests, which text lines omit.
const COMPLETE: &str = "complete";

/// The length of the date at the beginning of a time: `2026-11-25T`.
const DATE: usize = 11;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// The text format, for people.
pub(super) struct Text {
    /// On a terminal the date is omitted, which leaves space for longer paths.
    pub(super) is_terminal: bool,
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let record = Record::of(context, event);
        let time = text_time();
        let shown = if self.is_terminal {
            &time[DATE..]
        } else {
            &time
        };
        write!(line, "{shown} ")?;
        if record.target == REQUEST {
            request_line(&mut line, &record)?;
        } else {
            event_line(&mut line, &record)?;
        }
        writeln!(line)
    }
}

/// Writes the line of a request, `GET /api/users 200 2.1ms id=… 127.0.0.1`, with its outcome unless
/// that is [`COMPLETE`].
fn request_line(line: &mut Writer<'_>, record: &Record) -> fmt::Result {
    let text = |name| Escaped(record.text(name));
    write!(line, "{} {} ", text("method"), text("path"))?;
    match record.number("status") {
        Some(status) => coloured(line, status_colour(status), status)?,
        None => line.write_char('-')?,
    }
    let duration = record.number("duration_ms").unwrap_or_default();
    if duration < 1000.0 {
        write!(line, " {duration:.1}ms")?;
    } else {
        write!(line, " {:.2}s", duration / 1000.0)?;
    }
    let id = record.request_id.as_deref().unwrap_or_default();
    let peer = without_port(record.text("peer"));
    write!(line, " id={} {}", Escaped(id), Escaped(peer))?;
    let trace_id = record.text("trace_id");
    if !trace_id.is_empty() {
        write!(line, " trace={}", Escaped(trace_id))?;
    }
    let outcome = record.text("outcome");
    if outcome != COMPLETE {
        let bytes = record.number("bytes").unwrap_or_default();
        write!(line, " {} after {bytes} bytes", Escaped(outcome))?;
    }
    Ok(())
}

/// The client's address; its port would make the line too long for a terminal. This runs for every request,
/// so the port is cut from the text, which is that of a socket address (`127.0.0.1:80`, `[::1]:80`).
fn without_port(peer: &str) -> &str {
    let address = peer.rsplit_once(':').map_or(peer, |(address, _)| address);
    address.trim_matches(['[', ']'])
}

fn status_colour(status: f64) -> &'static str {
    if status >= 500.0 {
        RED
    } else if status >= 400.0 {
        YELLOW
    } else if (200.0..300.0).contains(&status) {
        GREEN
    } else {
        ""
    }
}

/// Writes the line of any other event: ` WARN ecommerce_api::db: the message name="value" id=…`.
fn event_line(line: &mut Writer<'_>, record: &Record) -> fmt::Result {
    let colour = match record.level {
        Level::ERROR => RED,
        Level::WARN => YELLOW,
        _ => "",
    };
    coloured(line, colour, format_args!("{:>5}", record.level.as_str()))?;
    write!(line, " {}:", record.target)?;
    if !record.message.is_empty() {
        write!(line, " {}", Escaped(&record.message))?;
    }
    for (name, value) in &record.fields {
        match value {
            FieldValue::Quoted(text) => write!(line, " {name}={text:?}")?,
            FieldValue::Plain(text) => write!(line, " {name}={}", Escaped(text))?,
            FieldValue::Json(value) => write!(line, " {name}={value}")?,
        }
    }
    if let Some(id) = &record.request_id {
        write!(line, " id={}", Escaped(id))?;
    }
    Ok(())
}

/// Writes `value`, in `colour` on a terminal.
fn coloured(line: &mut Writer<'_>, colour: &str, value: impl fmt::Display) -> fmt::Result {
    if line.has_ansi_escapes() && !colour.is_empty() {
        write!(line, "{colour}{value}{PLAIN}")
    } else {
        write!(line, "{value}")
    }
}

/// The JSON format, for machines: one object on each line.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let record = Record::of(context, event);
        writeln!(line, "{}", json_object(record))
    }
}

/// A flat object with everything that is known about an event, each item once.
fn json_object(record: Record) -> Value {
    let message = if record.target == REQUEST {
        let status = record.number("status").map(|status| format!(" {status}"));
        let status = status.unwrap_or_default();
        format!("{} {}{status}", record.text("method"), record.text("path"))
    } else {
        record.message
    };
    let mut object = Map::new();
    object.insert("timestamp".to_owned(), json_time().into());
    object.insert("level".to_owned(), record.level.as_str().into());
    object.insert("message".to_owned(), message.into());
    object.insert("target".to_owned(), record.target.into_owned().into());
    if let Some(id) = record.request_id {
        object.insert("request_id".to_owned(), id.into());
    }
    for (name, value) in record.fields {
        let value = match value {
            FieldValue::Quoted(text) | FieldValue::Plain(text) => text.into(),
            FieldValue::Json(value) => value,
        };
        // An event's field does not replace a field that every line has.
        object.entry(name).or_insert(value);
    }
    object.into()
}

/// The line that reports how many lines were dropped. The log's thread writes it directly, without
/// queue and filter.
pub(super) fn dropped_line(format: LogFormat, count: u64) -> String {
    let target = module_path!();
    let message = format!("{count} log lines were dropped: nobody read them in time");
    match format {
        LogFormat::Text => format!("{}  WARN {target}: {message}\n", text_time()),
        LogFormat::Json => {
            let line = json!({
                "timestamp": json_time(),
                "level": "WARN",
                "message": message,
                "target": target,
                "dropped": count,
            });
            format!("{line}\n")
        }
    }
}

/// The time in UTC to the second: a line for people has to fit a terminal.
fn text_time() -> String {
    let mut time = json_time();
    if let Some(fraction) = time.find('.') {
        time.replace_range(fraction.., "Z");
    }
    time
}

/// The time in UTC to the microsecond.
fn json_time() -> String {
    let mut time = String::with_capacity(32);
    // Writing to a string does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// Shows a text with its control characters and line ends escaped, since they could forge a line or
/// control a terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_harmful = |it: char| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}');
        let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        // The bytes suffice to recognise most texts as harmless.
        if self.0.bytes().all(is_plain) || !self.0.contains(is_harmful) {
            return f.write_str(self.0);
        }
        for it in self.0.chars() {
            if is_harmful(it) {
                write!(f, "{}", it.escape_debug())?;
            } else {
                f.write_char(it)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Sink {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The log that `events` writes.
    fn logged(format: LogFormat, is_terminal: bool, events: impl FnOnce()) -> String {
        let sink = Sink::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(is_terminal)
            .fmt_fields(RequestIdOfSpan)
            .with_writer(sink.clone());
        let registry = tracing_subscriber::registry();
        match format {
            LogFormat::Text => {
                let registry = registry.with(layer.event_format(Text { is_terminal }));
                tracing::subscriber::with_default(registry, events);
            }
            LogFormat::Json => {
                let registry = registry.with(layer.event_format(Json));
                tracing::subscriber::with_default(registry, events);
            }
        }
        let text = sink.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    /// The line without its time, and without its end.
    fn text(is_terminal: bool, events: impl FnOnce()) -> String {
        let line = logged(LogFormat::Text, is_terminal, events);
        let (time, rest) = line.split_once(' ').unwrap();
        let model = "2026-11-25T02:49:07Z";
        let model = if is_terminal { &model[DATE..] } else { model };
        let shape = |time: &str| time.replace(|it: char| it.is_ascii_digit(), "0");
        assert_eq!(shape(time), shape(model), "{line}");
        let rest = rest.strip_suffix('\n').unwrap();
        assert!(!rest.contains('\n'), "{line}");
        rest.to_owned()
    }

    fn json(events: impl FnOnce()) -> Value {
        let line = logged(LogFormat::Json, false, events);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        serde_json::from_str(&line).unwrap()
    }

    /// The event of a request in its span, as the service emits it.
    fn request(method: &str, path: &str, status: Option<u64>, duration_ms: f64, outcome: &str) {
        let span = tracing::info_span!("request", id = ID);
        let _entered = span.enter();
        tracing::info!(
            target: REQUEST,
            request_id = ID,
            method,
            path,
            operation = "listUsers",
            status,
            duration_ms,
            bytes = 4711_u64,
            outcome,
            peer = "127.0.0.1:40404",
        );
    }

    #[test]
    fn a_request_is_a_line_that_fits_a_terminal() {
        let users = text(false, || {
            request("GET", "/api/users", Some(200), 2.1049, COMPLETE);
        });
        assert_eq!(users, format!("GET /api/users 200 2.1ms id={ID} 127.0.0.1"));
        for (is_terminal, method, path) in [
            (false, "GET", "/api/products/1234"),
            (false, "GET", "/api/users/7/cart"),
            (false, "DELETE", "/api/cart/1234"),
            (true, "GET", "/api/products/1234/carts"),
            (true, "DELETE", "/api/cart/user/1234"),
        ] {
            let line = logged(LogFormat::Text, is_terminal, || {
                request(method, path, Some(200), 12.34, COMPLETE);
            });
            let line = line.replace(GREEN, "").replace(PLAIN, "");
            assert!(line.trim_end().len() <= 100, "{line}");
        }
    }

    #[test]
    fn the_address_of_a_client_is_without_port_and_brackets() {
        for (peer, address) in [
            ("127.0.0.1:40404", "127.0.0.1"),
            ("[::1]:40404", "::1"),
            ("[fe80::1%2]:80", "fe80::1%2"),
            ("", ""),
        ] {
            assert_eq!(without_port(peer), address);
        }
    }

    #[test]
    fn a_request_that_was_not_completed_says_how_it_ended() {
        let broken = text(false, || {
            request("GET", "/api/cart", Some(200), 1234.5, "broken off");
        });
        assert_eq!(
            broken,
            format!("GET /api/cart 200 1.23s id={ID} 127.0.0.1 broken off after 4711 bytes")
        );
        let left = text(false, || {
            request("GET", "/", None, 0.04, "client disconnected");
        });
        let expected =
            format!("GET / - 0.0ms id={ID} 127.0.0.1 client disconnected after 4711 bytes");
        assert_eq!(left, expected);
    }

    #[test]
    fn the_status_is_coloured_on_a_terminal_only() {
        for (status, colour) in [(201, GREEN), (404, YELLOW), (503, RED)] {
            let emit = || request("GET", "/", Some(status), 1.0, COMPLETE);
            let coloured = text(true, emit);
            let expected = format!("GET / {colour}{status}{PLAIN} 1.0ms");
            assert!(coloured.starts_with(&expected), "{coloured:?}");
            assert_eq!(coloured.matches('\x1b').count(), 2, "{coloured:?}");
            assert!(!text(false, emit).contains('\x1b'));
        }
        let not_modified = text(true, || request("GET", "/", Some(304), 1.0, COMPLETE));
        assert!(!not_modified.contains('\x1b'), "{not_modified:?}");
    }

    #[test]
    fn json_has_each_field_of_a_request_once_and_at_the_top() {
        let mut line = json(|| request("GET", "/api/users", Some(200), 2.104_949, COMPLETE));
        let object = line.as_object_mut().unwrap();
        let time = object.remove("timestamp").unwrap();
        assert!(time.as_str().unwrap().starts_with("20"), "{time}");
        assert_eq!(
            line,
            json!({
                "level": "INFO",
                "message": "GET /api/users 200",
                "target": REQUEST,
                "request_id": ID,
                "method": "GET",
                "path": "/api/users",
                "operation": "listUsers",
                "status": 200,
                "duration_ms": 2.105,
                "bytes": 4711,
                "outcome": COMPLETE,
                "peer": "127.0.0.1:40404",
            })
        );
        let left = json(|| request("GET", "/", None, 1.0, "client disconnected"));
        assert_eq!(left["message"], "GET /");
        assert!(left.get("status").is_none(), "{left}");
    }

    /// Emits a warning within a request and within a library's span.
    fn warning() {
        let request = tracing::info_span!("request", id = ID);
        let _request = request.enter();
        let query = tracing::info_span!("query", id = 7);
        let _query = query.enter();
        let cause = "gone\n2026-11-25T02:49:07Z GET / 200\u{9b}31m";
        tracing::warn!(%cause, name = "a \"b\"\n", attempt = 2, is_last = true, "the database\x1b is away");
    }

    #[test]
    fn other_events_have_the_id_of_their_request_and_stay_one_line() {
        assert_eq!(
            text(false, warning),
            format!(
                " WARN {}: the database\\u{{1b}} is away \
                 cause=gone\\n2026-11-25T02:49:07Z GET / 200\\u{{9b}}31m name=\"a \\\"b\\\"\\n\" \
                 attempt=2 is_last=true id={ID}",
                module_path!()
            )
        );
        let line = json(warning);
        assert_eq!(line["request_id"], ID);
        assert_eq!(line["message"], "the database\x1b is away");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["is_last"], true);
        assert_eq!(line["name"], "a \"b\"\n");
        assert_eq!(line.to_string().matches(ID).count(), 1, "{line}");
    }

    #[test]
    fn an_event_outside_of_a_request_has_no_id() {
        let line = text(false, || tracing::info!("listening"));
        assert_eq!(line, format!(" INFO {}: listening", module_path!()));
        assert!(
            json(|| tracing::info!("listening"))
                .get("request_id")
                .is_none()
        );
    }

    #[test]
    fn lines_that_were_dropped_are_one_warning() {
        let line = dropped_line(LogFormat::Text, 7);
        assert!(
            line.contains("Z  WARN ecommerce_api::commands::logging"),
            "{line}"
        );
        assert!(line.contains(": 7 log lines were dropped"), "{line}");
        assert!(line.ends_with('\n'), "{line}");
        let line: Value = serde_json::from_str(&dropped_line(LogFormat::Json, 7)).unwrap();
        assert_eq!(line["dropped"], 7);
        assert_eq!(line["level"], "WARN");
        assert!(line["message"].is_string(), "{line}");
    }
}
