//! A proxy in front of the database that loses packets.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::database;

/// A proxy that passes everything on, until it is told to lose a statement.
pub struct LossyProxy {
    directory: TempDir,
    state: Arc<State>,
}

struct State {
    /// The statement that is lost, and on how many connections.
    loss: Mutex<(&'static str, usize)>,
    /// How many of the connections that lost a statement were closed by the service.
    closed: watch::Sender<usize>,
}

impl LossyProxy {
    /// Starts a proxy that loses nothing.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = Arc::new(State {
            loss: Mutex::new(("", 0)),
            closed: watch::Sender::new(0),
        });
        let proxy = Self { directory, state };
        let listener = UnixListener::bind(proxy.socket()).unwrap();
        let state = Arc::clone(&proxy.state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, Arc::clone(&state)));
            }
        });
        proxy
    }

    /// The socket at which the proxy listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("proxy.sock")
    }

    /// Loses the next packets that contain `statement`, on `connections` connections, and everything that
    /// is sent on these connections afterwards. They stay open until the service closes them.
    pub fn lose(&self, statement: &'static str, connections: usize) {
        *self.state.loss.lock().unwrap() = (statement, connections);
        self.state.closed.send_replace(0);
    }

    /// Waits until the service has closed `connections` connections that lost a statement.
    pub async fn closed(&self, connections: usize) {
        let mut closed = self.state.closed.subscribe();
        let closed = closed.wait_for(|closed| *closed == connections);
        let closed = timeout(Duration::from_secs(25), closed).await;
        closed.expect("the service closes the connections").unwrap();
    }
}

impl State {
    /// Whether a packet is lost.
    fn loses(&self, packet: &[u8]) -> bool {
        let mut loss = self.loss.lock().unwrap();
        let (statement, connections) = &mut *loss;
        let is_lost = *connections > 0
            && packet
                .windows(statement.len())
                .any(|window| window == statement.as_bytes());
        *connections -= usize::from(is_lost);
        is_lost
    }
}

/// Passes the packets of one connection on, in both directions.
async fn pass(client: UnixStream, state: Arc<State>) {
    let server = UnixStream::connect(database::socket()).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let responses = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 64 * 1024];
    let mut is_lossy = false;
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        is_lossy |= state.loses(&buffer[..length]);
        if !is_lossy && to_server.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    if is_lossy {
        state.closed.send_modify(|closed| *closed += 1);
    }
    responses.abort();
}
