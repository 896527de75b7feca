//! Runs the program to its end, or as a server whose log is read while it runs.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a test waits for anything: more than anything takes on a busy machine.
pub const LIMIT: Duration = Duration::from_mins(1);
/// A part of the log line that says that the program serves.
const LISTENING: &str = "listening on http";

/// A working directory for one test, under /tmp, since a socket's path must be short.
pub fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The program in `directory`, with only `PATH` in its environment, and a free port: the default
/// port may be in use. A `.env` in the directory has to set the port itself.
pub fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecommerce-api"));
    command.current_dir(directory).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if !directory.join(".env").exists() {
        command.env("SERVER_PORT", "0");
    }
    command.stdin(Stdio::null());
    command
}

/// The exit code and the output of a run.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program in an empty directory, to its end.
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    run_in(directory().path(), arguments, variables)
}

/// Runs the program in `directory`, to its end.
pub fn run_in(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = program(directory);
    command.args(arguments).envs(variables.iter().copied());
    to_end(&mut command)
}

/// Runs a command to its end.
pub fn to_end(command: &mut Command) -> Outcome {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let end = await_end(&mut child);
    Outcome {
        code: end.expect("the program ends").code(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

/// Waits for the program's end; `None` if it had to be killed.
fn await_end(child: &mut Child) -> Option<ExitStatus> {
    let end = eventually(|| child.try_wait().unwrap());
    if end.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    end
}

/// Calls `attempt` until it returns a value; `None` after the limit.
pub fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let result = attempt();
        if result.is_some() || Instant::now() > deadline {
            return result;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

impl Outcome {
    /// What the program printed; fails unless it succeeded.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.stderr, "", "{self:?}");
        self.stdout
    }

    /// The one line without colours that the program printed; fails unless its exit code is `code`.
    #[track_caller]
    pub fn failure(self, code: i32) -> String {
        let message = self.failure_in_lines(code);
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    }

    /// The lines without colours that the program printed; fails unless its exit code is `code`.
    #[track_caller]
    pub fn failure_in_lines(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.stderr.contains('\x1b'), "{self:?}");
        let message = self.stderr.strip_prefix("ecommerce-api: ");
        message.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// The program while it serves. Dropping this stops it, and waits for its end.
pub struct Server {
    child: Child,
    log: Arc<Log>,
    /// The address that it listens on: `127.0.0.1:port`.
    pub address: String,
}

/// What happens to the log's pipe once the program listens.
enum OnceListening {
    /// It is read to its end.
    ReadOn,
    /// It is closed.
    Close,
    /// It is not read until the channel receives a value.
    Pause(Receiver<()>),
}

#[derive(Default)]
struct Lines {
    so_far: Vec<String>,
    ended: bool,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    changed: Condvar,
}

impl Server {
    /// Starts the program on a free port and returns when it listens.
    #[track_caller]
    pub fn start(directory: &Path, variables: &[(&str, &str)]) -> Self {
        Self::launch(directory, variables).listening()
    }

    /// As [`Server::start`], but the log's pipe is closed once the program listens.
    #[track_caller]
    pub fn start_with_closed_log(directory: &Path, variables: &[(&str, &str)]) -> Self {
        Self::spawn(directory, variables, OnceListening::Close).listening()
    }

    /// As [`Server::start`], but nobody reads the log once the program listens, until a value is
    /// sent on the channel or the sender is dropped.
    #[track_caller]
    pub fn start_with_unread_log(
        directory: &Path,
        variables: &[(&str, &str)],
    ) -> (Self, Sender<()>) {
        let (resume, is_resumed) = channel();
        let then = OnceListening::Pause(is_resumed);
        let server = Self::spawn(directory, variables, then).listening();
        (server, resume)
    }

    /// Waits until a launched program listens.
    #[track_caller]
    pub fn listening(self) -> Self {
        let mut server = self;
        let line = server.await_line(LISTENING);
        let address = line.split("://").nth(1).unwrap();
        let end = address.find([',', '"']).unwrap_or(address.len());
        address[..end].clone_into(&mut server.address);
        server
    }

    /// Starts the program on a free port; it does not listen yet.
    pub fn launch(directory: &Path, variables: &[(&str, &str)]) -> Self {
        Self::spawn(directory, variables, OnceListening::ReadOn)
    }

    fn spawn(directory: &Path, variables: &[(&str, &str)], then: OnceListening) -> Self {
        let mut child = program(directory)
            .env("SERVER_PORT", "0")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in lines.map_while(Result::ok) {
                    let is_listening = line.contains(LISTENING);
                    log.lines.lock().unwrap().so_far.push(line);
                    log.changed.notify_all();
                    match &then {
                        OnceListening::Close if is_listening => break,
                        OnceListening::Pause(is_resumed) if is_listening => {
                            // Returns an error when the test drops the sender.
                            let _ = is_resumed.recv();
                        }
                        _ => {}
                    }
                }
                log.lines.lock().unwrap().ended = true;
                log.changed.notify_all();
            }
        });
        Self {
            child,
            log,
            address: String::new(),
        }
    }

    /// Waits until `count` lines of the log contain `part`.
    #[track_caller]
    pub fn await_lines(&self, part: &str, count: usize) {
        let has_all = || self.log().iter().filter(|line| line.contains(part)).count() >= count;
        let found = eventually(|| has_all().then_some(()));
        found.unwrap_or_else(|| {
            panic!(
                "fewer than {count} lines with `{part}` in {:#?}",
                self.log()
            )
        });
    }

    /// Waits for a log line that contains `part`; the first such line.
    #[track_caller]
    pub fn await_line(&self, part: &str) -> String {
        let find = |lines: &Lines| {
            let found = lines.so_far.iter().find(|line| line.contains(part));
            found.cloned()
        };
        let lines = self.log.lines.lock().unwrap();
        let (lines, _) = self
            .log
            .changed
            .wait_timeout_while(lines, LIMIT, |lines| !lines.ended && find(lines).is_none())
            .unwrap();
        let found = find(&lines);
        drop(lines);
        found.unwrap_or_else(|| panic!("no line with `{part}` in {:#?}", self.log()))
    }

    /// The lines of the log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().so_far.clone()
    }

    /// The resident memory of the process, in MiB.
    pub fn memory(&self) -> usize {
        self.mebibytes("VmRSS:")
    }

    /// The peak of the resident memory of the process, in MiB.
    pub fn peak_memory(&self) -> usize {
        self.mebibytes("VmHWM:")
    }

    fn mebibytes(&self, field: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().unwrap() / 1024
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the program's end; its exit code.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let end = await_end(&mut self.child);
        end.expect("the program ends").code()
    }

    /// Sends SIGTERM and waits for the program's orderly end.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.end(), Some(0), "{:#?}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(Signal::TERM);
            await_end(&mut self.child);
        }
    }
}
