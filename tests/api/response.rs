//! Answers of the service, as tests look at them.

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::common::wire::Received;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed.
    pub body: Bytes,
    /// How many bytes the body had before.
    length: usize,
}

/// An answer as the check wants it, before its body has come.
pub fn received_head(status: StatusCode, headers: &HeaderMap) -> Received {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let lines = headers.iter();
    Received {
        status: status.as_u16(),
        headers: lines
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        ..Received::default()
    }
}

impl Answer {
    /// Reads a response to its end, decompressed.
    ///
    /// # Panics
    /// When it breaks off.
    pub async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let mut body = body.collect().await.expect("a whole body").to_bytes();
        let length = body.len();
        let coding = parts.headers.get("content-encoding");
        // A HEAD names the coding of a body that it does not have.
        if coding.is_some_and(|coding| coding == "gzip") && length > 0 {
            let mut plain = Vec::new();
            GzipDecoder::new(&*body)
                .read_to_end(&mut plain)
                .await
                .expect("gzip to its end");
            body = plain.into();
        }
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            length,
        }
    }

    /// The answer as the check wants it.
    pub fn received(&self) -> Received {
        Received {
            body: self.body.to_vec(),
            length: self.length,
            is_whole: true,
            ..received_head(self.status, &self.headers)
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `data` of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()["data"].clone()
    }

    /// The error's code and message, of an answer that must have this status.
    #[track_caller]
    pub fn error(&self, status: u16) -> (String, String) {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }

    /// The violations of a 400, as `field message`, sorted.
    #[track_caller]
    pub fn violations(&self) -> Vec<String> {
        assert_eq!(
            self.status.as_u16(),
            400,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let error = &self.json()["error"];
        assert_eq!(error["code"], "VALIDATION_ERROR");
        let mut lines: Vec<String> = error["details"]
            .as_array()
            .expect("details")
            .iter()
            .map(|detail| {
                format!(
                    "{} {}",
                    detail["field"].as_str().unwrap(),
                    detail["message"].as_str().unwrap()
                )
            })
            .collect();
        lines.sort();
        lines
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
