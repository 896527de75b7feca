//! A TCP proxy in front of the database, which delays, stops, silences, cuts and resets connections.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::sleep;

/// How packets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At once.
    Direct,
    /// Later, in each direction.
    Delayed(Duration),
    /// The database's in pieces of a few bytes.
    Slow,
    /// Not at all. They are passed on when the mode changes, unless the service has closed the
    /// connection by then.
    Stopped,
    /// The database's next packet passes by half. From then on the connection is silent.
    CutAnswers,
    /// The connection is reset once the database has executed a COMMIT, each second time, or one of a
    /// few other statements.
    ResetCommits,
}

/// One in so many COMMITs, and in so many other statements, is followed by a reset.
const COMMITS_PER_RESET: u32 = 2;
const STATEMENTS_PER_RESET: u32 = 20;
/// The command of a prepared statement's execution, the first byte after a packet's head.
const EXECUTE: u8 = 0x17;

struct State {
    mode: watch::Sender<Mode>,
    /// The connections with a smaller number are silent.
    silent_below: watch::Sender<u64>,
    accepted: Cell<u64>,
    commits: Cell<u32>,
    statements: Cell<u32>,
}

/// A proxy that listens until its task ends.
pub struct Proxy {
    pub address: SocketAddr,
    state: Rc<State>,
}

impl Proxy {
    pub async fn start(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Rc::new(State {
            mode: watch::Sender::new(Mode::Direct),
            silent_below: watch::Sender::new(0),
            accepted: Cell::new(0),
            commits: Cell::new(0),
            statements: Cell::new(0),
        });
        let shared = Rc::clone(&state);
        spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.accepted.replace(shared.accepted.get() + 1);
                spawn_local(pass(client, database, number, Rc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub fn set(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    /// Makes all present connections silent for ever, without closing them. New ones work. The
    /// database sees the end of the silent ones.
    pub fn silence_present(&self) {
        self.state
            .silent_below
            .send_replace(self.state.accepted.get());
    }
}

/// What becomes of a connection.
enum End {
    Closed,
    Silent,
    Reset,
}

async fn pass(mut client: TcpStream, database: SocketAddr, number: u64, state: Rc<State>) {
    let mut silent_below = state.silent_below.subscribe();
    let mut server = None;
    let end = tokio::select! {
        end = exchange(&mut client, &mut server, database, &state) => end,
        _ = silent_below.wait_for(|below| number < *below) => End::Silent,
    };
    match end {
        End::Closed => {}
        End::Silent => {
            drop(server);
            // Until the service closes its side.
            let mut buffer = vec![0; 1024];
            while let Ok(1..) = client.read(&mut buffer).await {}
        }
        End::Reset => client.set_zero_linger().unwrap(),
    }
}

/// Passes packets on in both directions.
async fn exchange(
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    database: SocketAddr,
    state: &State,
) -> End {
    let mut mode = state.mode.subscribe();
    if *mode.borrow() == Mode::Stopped {
        let _ = mode.wait_for(|mode| *mode != Mode::Stopped).await;
    }
    let Ok(stream) = TcpStream::connect(database).await else {
        return End::Closed;
    };
    let server = server.insert(stream);
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut requests, mut answers) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let (length, is_request) = tokio::select! {
            length = client.read(&mut requests) => (length, true),
            length = server.read(&mut answers) => (length, false),
        };
        let Ok(length @ 1..) = length else {
            return End::Closed;
        };
        let packet = if is_request {
            &requests[..length]
        } else {
            &answers[..length]
        };
        let current = *mode.borrow();
        match current {
            Mode::Delayed(delay) => sleep(delay).await,
            Mode::Stopped => {
                let is_open = wait_unless_closed(client, &mut mode).await;
                if is_request && !is_open {
                    return End::Closed;
                }
            }
            _ => {}
        }
        if is_request {
            let is_last = current == Mode::ResetCommits && state.is_reset_after(packet);
            if server.write_all(packet).await.is_err() {
                return End::Closed;
            }
            if is_last {
                // The answer shows that the database has executed the statement.
                let _ = server.read(&mut answers).await;
                return End::Reset;
            }
            continue;
        }
        let sent = match current {
            Mode::CutAnswers => {
                let _ = client.write_all(&packet[..packet.len().div_ceil(2)]).await;
                return End::Silent;
            }
            Mode::Slow => send_slowly(client, packet).await,
            _ => client.write_all(packet).await,
        };
        if sent.is_err() {
            return End::Closed;
        }
    }
}

impl State {
    /// Whether the connection is reset once the database has executed this statement.
    fn is_reset_after(&self, packet: &[u8]) -> bool {
        if packet.windows(6).any(|word| word == b"COMMIT") {
            let count = self.commits.replace(self.commits.get() + 1);
            return count.is_multiple_of(COMMITS_PER_RESET);
        }
        if packet.get(4) != Some(&EXECUTE) {
            return false;
        }
        let count = self.statements.replace(self.statements.get() + 1);
        count.is_multiple_of(STATEMENTS_PER_RESET)
    }
}

/// Waits until packets pass again; false if the service closes the connection before.
async fn wait_unless_closed(client: &TcpStream, mode: &mut watch::Receiver<Mode>) -> bool {
    let mut byte = [0];
    tokio::select! {
        _ = mode.wait_for(|mode| *mode != Mode::Stopped) => true,
        // The service sends nothing before it has its answer.
        _ = client.peek(&mut byte) => false,
    }
}

async fn send_slowly(client: &mut TcpStream, packet: &[u8]) -> std::io::Result<()> {
    for piece in packet.chunks(16) {
        client.write_all(piece).await?;
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
