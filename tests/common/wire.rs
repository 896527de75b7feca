//! Requests and responses, which can be parsed from the bytes on a connection.

/// The parts of a request that the check of its response needs.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The header lines in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A response that was received completely or in part.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub status: u16,
    /// The header lines in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The decoded body, or the part of it that has arrived.
    pub body: Vec<u8>,
    /// The number of bytes of the body before it was decompressed.
    pub length: usize,
    /// Whether the body is complete.
    pub is_whole: bool,
}

/// The value of the first header with this name.
fn value_of<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let line = headers.iter().find(|(known, _)| known == name);
    line.map(|(_, value)| value.as_str())
}

impl Sent {
    pub fn new(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    /// Parses the first request in `bytes`.
    ///
    /// # Panics
    /// When `bytes` have no request line.
    pub fn read(bytes: &[u8]) -> Self {
        let (head, body) = split(bytes).unwrap_or((bytes, b""));
        let (line, headers) = lines(head);
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a request line").to_owned();
        let method = word();
        let mut target = word();
        if let Some((_, rest)) = target.split_once("://") {
            let path = rest.find('/').map_or("/", |path| &rest[path..]);
            target = String::from(path);
        }
        Self {
            method,
            target,
            headers,
            body: body.to_owned(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The parameters of the query, without decoding.
    pub fn query(&self) -> Vec<(&str, &str)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect()
    }
}

impl Received {
    /// Parses a response that was read until the connection ended.
    ///
    /// # Panics
    /// When `bytes` have no complete head.
    pub fn read(bytes: &[u8]) -> Self {
        let (head, rest) = split(bytes).expect("the head is complete");
        let (line, headers) = lines(head);
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut received = Self {
            status: status.expect("a status"),
            headers,
            ..Self::default()
        };
        (received.body, received.is_whole) = if received.header("transfer-encoding").is_some() {
            unchunk(rest)
        } else {
            (rest.to_owned(), true)
        };
        received.length = received.body.len();
        received
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }
}

/// Splits a message into its head and its body.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((&bytes[..end], &bytes[end + 4..]))
}

/// The first line and the header lines of a head.
fn lines(head: &[u8]) -> (String, Vec<(String, String)>) {
    let head = String::from_utf8_lossy(head).into_owned();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    (first, headers.collect())
}

/// Decodes a chunked body. Also returns whether it has its last chunk.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let size = std::str::from_utf8(&rest[..end]).ok();
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else {
            return (body, false);
        };
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, rest == b"\r\n");
        }
        if rest.len() < size + 2 {
            body.extend_from_slice(&rest[..rest.len().min(size)]);
            return (body, false);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}
