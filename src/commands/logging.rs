//! The log of `serve`: its filter, its format, and how it is written to standard error.
//!
//! - `format`: the format of a line, as text and as JSON
//! - `queue`: the queue of lines, and the thread that writes them
//!
//! Imports `config`.

mod format;
mod queue;

use std::io::{self, IsTerminal as _};
use std::panic;

use anyhow::Context as _;
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, Settings};

use super::BadSetting;
use format::{Json, RequestIdOfSpan, Text};

pub(super) use queue::Log;

/// The target of audit events.
const AUDIT: &str = "audit";

/// Starts the log for the whole process.
///
/// # Errors
/// When `RUST_LOG` cannot be read, or the log's thread cannot be started.
pub(super) fn start(settings: &Settings) -> anyhow::Result<Log> {
    let filter = filter(&settings.rust_log).map_err(|why| {
        BadSetting(format!(
            "RUST_LOG: {why}; write, for example, info or ecommerce_api=debug"
        ))
    })?;
    let log_format = settings.log_format;
    let dropped_line = move |count| format::dropped_line(log_format, count);
    let log = Log::start(io::stderr(), dropped_line).context("cannot start the log's thread")?;
    let layer = tracing_subscriber::fmt::layer()
        // Such errors would be printed to standard error, which panics when it is closed.
        .log_internal_errors(false)
        .fmt_fields(RequestIdOfSpan)
        .with_writer(log.lines());
    // On a terminal NO_COLOR decides.
    let is_terminal = io::stderr().is_terminal();
    let layer = if is_terminal {
        layer
    } else {
        layer.with_ansi(false)
    };
    let layer = match log_format {
        LogFormat::Text => layer.event_format(Text { is_terminal }).boxed(),
        LogFormat::Json => layer.event_format(Json).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(filter)
        .init();
    log_panics();
    Ok(log)
}

/// Makes a panic one line of the log. If nobody read standard error, Rust's own report would block
/// the thread forever.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("of an unknown kind");
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "a panic: {message}");
    }));
}

/// Parses levels and targets that are separated by commas. Empty ones are ignored.
fn filter(directives: &str) -> Result<Targets, String> {
    if directives.contains('[') {
        return Err("filters by spans and fields are not supported".to_owned());
    }
    let directives = directives.split(',').map(str::trim);
    let directives: Vec<&str> = directives.filter(|text| !text.is_empty()).collect();
    let targets: Targets = directives
        .join(",")
        .parse()
        .map_err(|error: ParseError| error.to_string())?;
    // Audit events are logged unless their own target is named.
    let is_named = directives.iter().any(|text| {
        let name = text.split('=').next();
        name == Some(AUDIT)
    });
    Ok(if is_named {
        targets
    } else {
        targets.with_target(AUDIT, Level::INFO)
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_and_targets() {
        for (directives, ours, others) in [
            ("info", true, true),
            ("info,", true, true),
            ("warn, ecommerce_api=info", true, false),
            ("off", false, false),
        ] {
            let filter = filter(directives).unwrap();
            let enabled = |target| filter.would_enable(target, &tracing::Level::INFO);
            assert_eq!(enabled("ecommerce_api::api"), ours, "{directives}");
            assert_eq!(enabled("mysql_async"), others, "{directives}");
        }
        for (directives, audited) in [
            ("off", true),
            ("error,mysql_async=debug", true),
            ("info,audit=off", false),
            ("audit=warn", false),
        ] {
            let filter = filter(directives).unwrap();
            let is_logged = filter.would_enable(AUDIT, &tracing::Level::INFO);
            assert_eq!(is_logged, audited, "{directives}");
        }
        for wrong in ["ecommerce_api=loud", "[request]=debug", "a=b=c"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
