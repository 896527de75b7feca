//! The limit of open files, which bounds the number of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors for everything that is not a client's connection: the database pool, logs, the
/// runtime.
const OTHER_DESCRIPTORS: usize = 256;

/// Raises this process's limit of open files so that `connections` fit, and returns how many fit.
///
/// The customary soft limit, 1024, exists for programs that use select(2). This program does not.
pub(super) fn raise_limit_for(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let files = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let needed = files(connections.saturating_add(OTHER_DESCRIPTORS));
    let mut allowed = current.unwrap_or(u64::MAX);
    if allowed < needed {
        let raised = needed.min(maximum.unwrap_or(u64::MAX));
        let limit = Rlimit {
            current: Some(raised),
            maximum,
        };
        if setrlimit(Resource::Nofile, limit).is_ok() {
            allowed = raised;
        }
    }
    if allowed >= needed {
        return connections;
    }
    let fitting = usize::try_from(allowed.saturating_sub(files(OTHER_DESCRIPTORS)))
        .unwrap_or(usize::MAX)
        .max(1);
    tracing::warn!(
        open_files = allowed,
        connections = fitting,
        wanted = connections,
        "the limit of open files (ulimit -n) allows fewer connections than wanted"
    );
    fitting
}
