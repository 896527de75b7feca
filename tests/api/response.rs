//! Responses of the service, as the tests examine them.

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::common::wire::Received;

/// A complete response.
#[derive(Debug)]
pub struct ClientResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The decompressed body.
    pub body: Bytes,
    /// The number of bytes of the body before it was decompressed.
    length: usize,
}

/// Converts the head of a response for the conformance check, which can run before the body arrives.
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

impl ClientResponse {
    /// Reads a response to its end and decompresses its body.
    ///
    /// # Panics
    /// When the response breaks off.
    pub async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let mut body = body
            .collect()
            .await
            .expect("the body is complete")
            .to_bytes();
        let length = body.len();
        let coding = parts.headers.get("content-encoding");
        // The response to a HEAD names a coding, but has no body.
        if coding.is_some_and(|coding| coding == "gzip") && length > 0 {
            let mut plain = Vec::new();
            GzipDecoder::new(&*body)
                .read_to_end(&mut plain)
                .await
                .expect("the body is valid gzip");
            body = plain.into();
        }
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            length,
        }
    }

    /// Converts the response for the conformance check.
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
    /// When the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The member `data` of a response that must have this status.
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

    /// The code and the message of the error of a response that must have this status.
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

    /// The violations of a response that must be a 400, each as `field message`, in sorted order.
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

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
