//! How much the kernel keeps of a response whose client stops reading.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::harness::{Server, soon};
use crate::{FAR, SHORT};

/// The bytes that the kernel keeps for the connection of the server at `server` with `client`: those that were
/// not sent, or not received yet.
fn kept_bytes(server: SocketAddr, client: SocketAddr) -> usize {
    let address = |address: SocketAddr| format!("0100007F:{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut lines = table.lines().map(|line| line.split_whitespace());
    let queues = lines.find_map(|mut fields| {
        let is_it = fields.nth(1)? == address(server) && fields.next()? == address(client);
        fields.nth(1).filter(|_| is_it)
    });
    let (unsent, _) = queues.unwrap().split_once(':').unwrap();
    usize::from_str_radix(unsent, 16).unwrap()
}

#[tokio::test]
async fn little_waits_in_the_kernel_for_a_client_that_has_read_fast_and_stops() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    client
        .send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let mut fast = vec![0; 32 * 1024 * 1024];
    soon(client.0.read_exact(&mut fast)).await.unwrap();
    let passed = || server.events.endless_chunks.load(Ordering::Relaxed);
    // Until the server cannot write any more.
    soon(async {
        let mut before = 0;
        while passed() > before {
            before = passed();
            tokio::time::sleep(Duration::max(SHORT, Duration::from_millis(200))).await;
        }
    })
    .await;
    let kept = kept_bytes(server.address, client.0.local_addr().unwrap());
    assert!(kept < 128 * 1024, "{kept} bytes");
}
