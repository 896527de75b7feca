//! A TCP proxy that delays each byte for the same time, like a network with a long round trip and
//! unlimited bandwidth. It never reorders bytes.
//!
//! Arguments: the Unix socket of the server, and the round trip in milliseconds, half of which is the
//! delay of each direction. Prints the port on which it listens on 127.0.0.1.
//!
//! Each connection has two threads for each direction, because the timers of an asynchronous runtime
//! are accurate to a millisecond only.

use std::env;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [socket, round_trip] = &arguments[..] else {
        return Err("arguments: SOCKET MILLISECONDS".into());
    };
    let delay = Duration::from_secs_f64(round_trip.parse::<f64>()? / 2000.0);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for client in listener.incoming() {
        let client = client?;
        client.set_nodelay(true)?;
        let server = UnixStream::connect(socket)?;
        carry(client.try_clone()?, server.try_clone()?, delay, |server| {
            let _ = server.shutdown(Shutdown::Write);
        });
        carry(server, client, delay, |client: &TcpStream| {
            let _ = client.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

/// Carries all bytes from one side to the other, and the end after them.
fn carry<R, W>(mut from: R, mut to: W, delay: Duration, end: fn(&W))
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let (sender, chunks) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        // Dropping the sender is the end.
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + delay;
            if sender.send((due, buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, chunk) in chunks {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&chunk).is_err() {
                break;
            }
        }
        end(&to);
    });
}
