//! A proxy in front of the database that loses packets and connections, turns the end of a result into an
//! error, and makes MariaDB behave like MySQL.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::database;

/// A proxy that passes everything on, until it is told to lose something.
pub struct LossyProxy {
    directory: TempDir,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    loss: Mutex<Loss>,
    /// The statement whose rows are followed by an error.
    failing: Mutex<Option<&'static str>>,
    /// How many connections were accepted.
    accepted: AtomicUsize,
    /// The connections with a smaller number are silent.
    silent: AtomicUsize,
    /// Whether the database does not execute the SQL that only MariaDB has.
    is_like_mysql: AtomicBool,
    /// Whether the database is away: each connection is closed at once.
    is_away: AtomicBool,
    /// Whether nothing is passed on. Connections that lose something stay silent afterwards.
    is_black_hole: AtomicBool,
    /// How many connections lost something in a black hole.
    swallowed: watch::Sender<usize>,
    /// How many of the connections that lost something were closed by the service.
    closed: watch::Sender<usize>,
}

/// What is lost, and on how many connections.
#[derive(Default)]
struct Loss {
    statement: &'static str,
    connections: usize,
    part: Part,
}

/// The part of an exchange that is lost, with everything that follows on the connection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The statement.
    #[default]
    Statement,
    /// The response, after so many bytes.
    ResponseAfter(usize),
}

impl LossyProxy {
    /// Starts a proxy that loses nothing.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = Arc::new(State::default());
        let proxy = Self { directory, state };
        let listener = UnixListener::bind(proxy.socket()).unwrap();
        let state = Arc::clone(&proxy.state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = state.accepted.fetch_add(1, Relaxed);
                if !state.is_away.load(Relaxed) {
                    tokio::spawn(pass(client, number, Arc::clone(&state)));
                }
            }
        });
        proxy
    }

    /// Starts a proxy behind which the database ignores the comments that only MariaDB executes, and so
    /// has no `INSERT … RETURNING`.
    pub fn start_like_mysql() -> Self {
        let proxy = Self::start();
        proxy.state.is_like_mysql.store(true, Relaxed);
        proxy
    }

    /// The socket at which the proxy listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("proxy.sock")
    }

    /// Loses the next packets that contain `statement`, on `connections` connections, and everything that
    /// is sent on these connections afterwards. They stay open until the service closes them.
    pub fn lose(&self, statement: &'static str, connections: usize) {
        self.lose_part(statement, connections, Part::Statement);
    }

    /// As [`Self::lose`], but loses only this part of the exchange.
    pub fn lose_part(&self, statement: &'static str, connections: usize, part: Part) {
        *self.state.loss.lock().unwrap() = Loss {
            statement,
            connections,
            part,
        };
        self.state.closed.send_replace(0);
    }

    /// Executes the next statement that contains `statement`, and sends an error after its rows, as a
    /// database does that cannot commit.
    pub fn fail_after_rows(&self, statement: &'static str) {
        *self.state.failing.lock().unwrap() = Some(statement);
    }

    /// Makes all connections silent, which stay open. New connections work. Returns how many there were.
    pub fn silence(&self) -> usize {
        self.state.closed.send_replace(0);
        let accepted = self.accepted();
        self.state.silent.store(accepted, Relaxed);
        accepted
    }

    /// Loses everything, on new connections too, until the network is back. Connections that lost
    /// something stay silent.
    pub fn set_black_hole(&self, is_black_hole: bool) {
        self.state.is_black_hole.store(is_black_hole, Relaxed);
    }

    /// Waits until `connections` connections have lost something in a black hole.
    pub async fn swallowed(&self, connections: usize) {
        let mut swallowed = self.state.swallowed.subscribe();
        let swallowed = swallowed.wait_for(|swallowed| *swallowed >= connections);
        let swallowed = timeout(Duration::from_secs(25), swallowed).await;
        swallowed.expect("something is sent").unwrap();
    }

    /// Closes new connections at once, as while no database listens, until it is back.
    pub fn set_away(&self, is_away: bool) {
        self.state.is_away.store(is_away, Relaxed);
    }

    /// How many connections were opened so far.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Relaxed)
    }

    /// Waits until the service has closed `connections` connections that lost something.
    pub async fn closed(&self, connections: usize) {
        let mut closed = self.state.closed.subscribe();
        let closed = closed.wait_for(|closed| *closed == connections);
        let closed = timeout(Duration::from_secs(25), closed).await;
        closed.expect("the service closes the connections").unwrap();
    }
}

impl State {
    /// The part of an exchange that is lost, if `packet` has the statement.
    fn loses(&self, packet: &[u8]) -> Option<Part> {
        let mut loss = self.loss.lock().unwrap();
        let is_lost = loss.connections > 0 && contains(packet, loss.statement);
        loss.connections -= usize::from(is_lost);
        is_lost.then_some(loss.part)
    }

    /// Whether an error follows the rows of the statement in `packet`.
    fn fails(&self, packet: &[u8]) -> bool {
        let failing = &mut *self.failing.lock().unwrap();
        failing.take_if(|it| contains(packet, it)).is_some()
    }

    /// Whether the connection with this number loses what is sent now.
    fn is_silent(&self, number: usize) -> bool {
        number < self.silent.load(Relaxed) || self.is_black_hole.load(Relaxed)
    }
}

/// Raises the version of the comments that MariaDB executes to one that no server has.
fn hide_from_mariadb(packet: &mut [u8]) {
    const EXECUTED: &[u8] = b"/*M!100600";
    const IGNORED: &[u8] = b"/*M!999999";
    for start in 0..packet.len().saturating_sub(EXECUTED.len()) {
        let comment = &mut packet[start..start + EXECUTED.len()];
        if comment == EXECUTED {
            comment.copy_from_slice(IGNORED);
        }
    }
}

/// Whether `packet` contains the text of `statement`.
fn contains(packet: &[u8], statement: &str) -> bool {
    let statement = statement.as_bytes();
    let mut windows = packet.windows(statement.len());
    windows.any(|window| window == statement)
}

/// One connection through the proxy.
struct Connection {
    number: usize,
    state: Arc<State>,
    /// Whether an error follows the rows of the next result.
    fails: AtomicBool,
    loses_statements: AtomicBool,
    /// How many bytes of responses are still passed on.
    response_bytes: AtomicUsize,
}

/// Passes the packets of one connection on, in both directions.
async fn pass(client: UnixStream, number: usize, state: Arc<State>) {
    let server = UnixStream::connect(database::socket()).await.unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Arc::new(Connection {
        number,
        state,
        fails: AtomicBool::new(false),
        loses_statements: AtomicBool::new(false),
        response_bytes: AtomicUsize::new(usize::MAX),
    });
    let responses = Arc::clone(&connection).pass_responses(from_server, to_client);
    let responses = tokio::spawn(responses);
    connection.pass_statements(from_client, to_server).await;
    if connection.is_lossy() {
        let closed = &connection.state.closed;
        closed.send_modify(|closed| *closed += 1);
    }
    responses.abort();
}

impl Connection {
    fn is_lossy(&self) -> bool {
        self.loses_statements.load(Relaxed) || self.response_bytes.load(Relaxed) != usize::MAX
    }

    /// Makes the connection lose everything from now on.
    fn fall_silent(&self) {
        let was_silent = self.loses_statements.swap(true, Relaxed);
        self.response_bytes.store(0, Relaxed);
        if !was_silent {
            self.state.swallowed.send_modify(|count| *count += 1);
        }
    }

    async fn pass_statements(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = client.read(&mut buffer).await {
            let packet = &mut buffer[..length];
            if self.state.is_like_mysql.load(Relaxed) {
                hide_from_mariadb(packet);
            }
            match self.state.loses(packet) {
                Some(Part::Statement) => self.loses_statements.store(true, Relaxed),
                Some(Part::ResponseAfter(bytes)) => self.response_bytes.store(bytes, Relaxed),
                None => {}
            }
            if self.state.fails(packet) {
                self.fails.store(true, Relaxed);
            }
            if self.state.is_silent(self.number) {
                self.fall_silent();
            }
            let is_passed = !self.loses_statements.load(Relaxed);
            if is_passed && server.write_all(packet).await.is_err() {
                break;
            }
        }
        if self.state.is_silent(self.number) {
            self.fall_silent();
        }
    }

    async fn pass_responses(
        self: Arc<Self>,
        mut server: OwnedReadHalf,
        mut client: OwnedWriteHalf,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = server.read(&mut buffer).await {
            if self.state.is_silent(self.number) {
                self.fall_silent();
            }
            if self.fails.load(Relaxed)
                && let Some(failed) = with_error_after_rows(&buffer[..length])
            {
                self.fails.store(false, Relaxed);
                if client.write_all(&failed).await.is_err() {
                    return;
                }
                continue;
            }
            let passed = self.response_bytes.load(Relaxed).min(length);
            if passed < length {
                self.response_bytes.store(0, Relaxed);
            } else {
                let left = self.response_bytes.load(Relaxed);
                let left = if left == usize::MAX {
                    left
                } else {
                    left - passed
                };
                self.response_bytes.store(left, Relaxed);
            }
            if client.write_all(&buffer[..passed]).await.is_err() {
                return;
            }
        }
        if self.is_lossy() {
            // The database has closed its end, which the service does not learn.
            std::future::pending::<()>().await;
        }
    }
}

/// The packets of a whole result, with an error in place of the last one, which ends the rows. `None` if
/// `packets` are no result: the response to the preparation of a statement begins with 0.
fn with_error_after_rows(packets: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 4;
    const PREPARED: u8 = 0;
    const END_OF_ROWS: u8 = 0xfe;
    /// Error 1180, "Got error during COMMIT".
    const ERROR: &[u8] = b"\xff\x9c\x04#HY000not committed";
    let mut last = 0;
    loop {
        let [low, middle, high, ..] = packets[last..] else {
            return None;
        };
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        let next = last + HEADER + length;
        if next >= packets.len() {
            break;
        }
        last = next;
    }
    if packets.get(HEADER) == Some(&PREPARED) || packets.get(last + HEADER) != Some(&END_OF_ROWS) {
        return None;
    }
    let sequence = packets[last + HEADER - 1];
    let mut failed = packets[..last].to_vec();
    let length = u8::try_from(ERROR.len()).unwrap();
    failed.extend([length, 0, 0, sequence]);
    failed.extend(ERROR);
    Some(failed)
}
