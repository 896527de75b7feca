//! The server for monitoring, on a thread of its own. The clients block the only thread of the test's
//! runtime, so a response shows that the server does not need that runtime.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ecommerce_api::server::MonitoringServer;
use tokio::net::TcpListener;

use crate::harness::app;

/// More connections than the server keeps open.
const MANY: usize = 40;

async fn start() -> (MonitoringServer, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, _events) = app();
    (MonitoringServer::start(listener, app).unwrap(), address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).unwrap();
    stream
}

/// The beginning of the response to a request on this connection.
fn status_line(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nhost: any\r\n\r\n")
        .unwrap();
    let mut line = [0; 15];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8(line.to_vec()).unwrap()
}

#[tokio::test]
async fn a_blocked_runtime_does_not_delay_it() {
    let (_server, address) = start().await;
    assert_eq!(status_line(&mut connect(address)), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn many_idle_connections_do_not_delay_it() {
    let (_server, address) = start().await;
    let mut idle = Vec::new();
    for _ in 0..MANY {
        // The connection that has been idle longest is closed in favour of this one.
        let mut stream = connect(address);
        assert_eq!(status_line(&mut stream), "HTTP/1.1 200 OK");
        idle.push(stream);
    }
    idle[0].read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let (server, address) = start().await;
    let mut idle = connect(address);
    status_line(&mut idle);
    drop(server);
    TcpStream::connect(address).unwrap_err();
    // An end or a reset.
    let _ = idle.read_to_end(&mut Vec::new());
}
