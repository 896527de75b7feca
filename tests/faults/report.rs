//! The result of a row, and the table of all.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::DEADLINE;
use crate::ledger::Differences;
use crate::samples::Samples;

/// The longest that a request may take: its deadline and one second.
const LONGEST: Duration = DEADLINE.saturating_add(Duration::from_secs(1));
/// The longest time from the end of a fault until no request fails.
const RECOVERY: Duration = Duration::from_secs(2);
/// The longest for a request that has nothing to do with the fault.
const STRANGERS: Duration = Duration::from_secs(2);
/// The fewest acknowledged writes that show anything, unless the database is away.
const ACKNOWLEDGED: usize = 100;

const MARKS: [&str; 2] = [
    "<!-- faults: written by `just faults --readme` -->",
    "<!-- end of faults -->",
];
const HEAD: &str = "| fault | acknowledged | statuses | longest | recovery | lost | doubled | wrong ids | p99 of others | passed |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

/// What was measured in one row.
pub struct Report {
    pub title: &'static str,
    acknowledged: usize,
    statuses: String,
    longest: Duration,
    recovery: Option<Duration>,
    lost: usize,
    doubled: usize,
    wrong_ids: usize,
    strangers: Option<Duration>,
    /// Why the row has failed.
    pub problems: Vec<String>,
}

/// When a row's fault began and ended; no end if it lasts from the start of the database.
pub struct Period {
    pub began: Instant,
    pub over: Option<Instant>,
}

impl Report {
    pub fn new(
        title: &'static str,
        (is_database_away, is_service_killed): (bool, bool),
        period: &Period,
        (acknowledged, differences): (usize, Differences),
        samples: &Samples,
    ) -> Self {
        let recovery = period.over.and_then(|over| samples.recovery(over));
        let longest = samples.longest();
        let strangers = samples.p99_of_strangers(period.began);
        let mut problems = vec![];
        let mut complain = |is_wrong: bool, text: String| {
            if is_wrong {
                problems.push(text);
            }
        };
        let is_idle = !is_database_away && acknowledged < ACKNOWLEDGED;
        complain(is_idle, format!("only {acknowledged} acknowledged writes"));
        complain(
            longest > LONGEST,
            format!("a request took {}", seconds(longest)),
        );
        match recovery {
            Some(time) => complain(time > RECOVERY, format!("recovery took {}", seconds(time))),
            None => complain(
                period.over.is_some(),
                "no success after the fault".to_owned(),
            ),
        }
        let unanswered = samples.unanswered();
        let is_cut = unanswered > 0 && !is_service_killed;
        complain(is_cut, format!("{unanswered} requests were not answered"));
        let slow = strangers.is_some_and(|time| time > STRANGERS);
        complain(slow, "others were slow".to_owned());
        let Differences {
            lost,
            doubled,
            wrong_ids,
        } = &differences;
        let unexpected = samples.unexpected();
        for (name, texts) in [
            ("lost", lost),
            ("doubled", doubled),
            ("wrong id", wrong_ids),
            ("unexpected answer", &unexpected),
        ] {
            let some = texts
                .iter()
                .take(3)
                .map(|text| text.chars().take(200).collect());
            let some = some.collect::<Vec<String>>().join("; ");
            complain(
                !texts.is_empty(),
                format!("{} × {name}: {some}", texts.len()),
            );
        }
        Self {
            title,
            acknowledged,
            statuses: statuses(samples),
            longest,
            recovery,
            lost: lost.len(),
            doubled: doubled.len(),
            wrong_ids: wrong_ids.len(),
            strangers,
            problems,
        }
    }

    /// The row of a fault that could not be measured.
    pub fn broken(title: &'static str, problem: String) -> Self {
        Self {
            title,
            acknowledged: 0,
            statuses: String::new(),
            longest: Duration::ZERO,
            recovery: None,
            lost: 0,
            doubled: 0,
            wrong_ids: 0,
            strangers: None,
            problems: vec![problem],
        }
    }

    /// The row of the table.
    pub fn markdown(&self) -> String {
        let optional = |time: Option<Duration>| time.map_or("–".to_owned(), seconds);
        let Self {
            title,
            acknowledged,
            statuses,
            lost,
            doubled,
            wrong_ids,
            ..
        } = self;
        format!(
            "| {title} | {acknowledged} | {statuses} | {} | {} | {lost} | {doubled} | {wrong_ids} | {} | {} |",
            seconds(self.longest),
            optional(self.recovery),
            optional(self.strangers),
            if self.problems.is_empty() {
                "yes"
            } else {
                "no"
            },
        )
    }
}

/// The table of all rows.
pub fn table(reports: &[Report]) -> String {
    let rows = reports.iter().map(Report::markdown);
    let rows = rows.collect::<Vec<_>>().join("\n");
    format!("{HEAD}\n{rows}\n")
}

/// Writes the table into the page about faults, between its marks.
pub fn write_readme(reports: &[Report]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let parts = text.split_once(MARKS[0]).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(MARKS[1])?;
        Some((before, after))
    });
    let (before, after) = parts.expect("the page has the marks of this table");
    let table = table(reports);
    let text = format!("{before}{}\n{table}{}{after}", MARKS[0], MARKS[1]);
    std::fs::write(&path, text).unwrap();
}

fn statuses(samples: &Samples) -> String {
    let counts = samples.statuses();
    let counts = counts.iter().map(|(status, count)| match status {
        Some(status) => format!("{status}: {count}"),
        None => format!("none: {count}"),
    });
    let refused = samples.refused();
    let refused = (refused > 0).then(|| format!("refused: {refused}"));
    counts.chain(refused).collect::<Vec<_>>().join(", ")
}

/// A duration for people, in milliseconds or seconds.
fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
