//! Bodies of requests to operations that have none.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::harness::{JSON, Shop, eventually};
use crate::locks::{is_running, while_locked};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bodies_of_operations_that_have_none_leave_their_connection_to_other_requests() {
    let shop = Shop::open_sample().await;
    let stream = TokioIo::new(TcpStream::connect(&shop.address).await.unwrap());
    let handshake = http2::handshake(TokioExecutor::new(), stream);
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let send = |method: &str, path: &str, body: Bytes| {
        let uri = format!("http://localhost{path}");
        let request = Request::builder().method(method).uri(uri);
        let request = request.header(JSON.0, JSON.1).body(Full::new(body));
        let mut sender = sender.clone();
        async move {
            sender
                .send_request(request.unwrap())
                .await
                .unwrap()
                .status()
        }
    };
    while_locked(&shop, "LOCK TABLES products WRITE", async {
        // More than the window of the connection.
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let body = Bytes::from(vec![b' '; 64 * 1024]);
                tokio::spawn(send("GET", "/api/products/1", body))
            })
            .collect();
        eventually("the first of them waits for the table", async || {
            is_running(&shop, "SELECT%products%").await
        })
        .await;
        let user = r#"{"email":"new@example.com","password":"a password","role":"USER"}"#;
        assert_eq!(send("POST", "/api/users", user.into()).await, 201);
        assert!(waiting.iter().all(|request| !request.is_finished()));
    })
    .await;
}
