//! The response with a list: as one body, or streamed chunk by chunk as the task of the list sends it.

use std::io;
use std::marker::PhantomData;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use poem::http::StatusCode;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponses, MetaSchema, Registry};
use poem_openapi::types::Type;
use tokio::sync::mpsc;

use crate::error::Error;

use super::super::context::RequestContext;
use super::super::rates::RowMeter;
use super::super::responses::{self, CheckedByChunk, MEDIA_TYPE, response_header, success};
use super::list_response::ListResponse;
use super::paging::{self, Paged};
use super::writer::{Chunk, Position, Writer};

/// A response with status 200 and a list.
pub struct Listing<L> {
    /// For a page: its position in the list, and the query of the request.
    paged: Option<(Paged, String)>,
    content: Content,
    list: PhantomData<L>,
}

/// The body of the response.
enum Content {
    /// The whole list.
    Whole(Bytes),
    /// The first chunk, and the channel of the others.
    Chunks(Bytes, Chunks),
}

/// The further chunks of a list, whose rows are counted as they are sent.
struct Chunks {
    channel: mpsc::Receiver<Result<Chunk, Error>>,
    meter: Option<RowMeter>,
}

impl Chunks {
    async fn next(&mut self) -> Result<Chunk, Error> {
        let chunk = self.channel.recv().await;
        let chunk = chunk.unwrap_or_else(|| Err(missing_last_chunk()))?;
        if let Some(meter) = &self.meter {
            meter.count(chunk.rows);
        }
        Ok(chunk)
    }
}

impl<L: ListResponse> Listing<L> {
    /// Waits for the first chunk of a list.
    ///
    /// # Errors
    /// The error that `channel` has in place of the first chunk.
    pub(super) async fn receive(
        channel: mpsc::Receiver<Result<Chunk, Error>>,
        context: &RequestContext,
    ) -> Result<Self, Error> {
        let meter = context.row_meter.clone();
        let mut chunks = Chunks { channel, meter };
        let first = chunks.next().await?;
        let query = &*context.query;
        Ok(Self {
            paged: first.paged.map(|paged| (paged, query.to_owned())),
            content: if first.is_last {
                Content::Whole(first.bytes)
            } else {
                Content::Chunks(first.bytes, chunks)
            },
            list: PhantomData,
        })
    }

    /// The response with these rows.
    pub(in crate::api) fn from_rows<R>(
        context: &RequestContext,
        rows: Vec<R>,
    ) -> Result<Self, Error>
    where
        L::Item: From<R>,
    {
        if let Some(meter) = &context.row_meter {
            meter.count(rows.len());
        }
        let mut writer = Writer::<L>::new(Position::default(), None);
        for row in rows {
            writer.push(&L::Item::from(row))?;
        }
        Ok(Self {
            paged: None,
            content: Content::Whole(writer.last_chunk().bytes),
            list: PhantomData,
        })
    }
}

impl<L: Send> IntoResponse for Listing<L> {
    fn into_response(self) -> Response {
        let mut response = match self.content {
            Content::Whole(bytes) => responses::json_bytes(StatusCode::OK, bytes),
            Content::Chunks(first, chunks) => {
                let rest = stream::unfold(Some(chunks), async |chunks| {
                    let mut chunks: Chunks = chunks?;
                    match chunks.next().await {
                        Ok(chunk) => Some((Ok(chunk.bytes), (!chunk.is_last).then_some(chunks))),
                        Err(error) => Some((Err(broken(error)), None)),
                    }
                });
                let chunks = stream::iter([Ok(first)]).chain(rest);
                let mut response = Response::builder()
                    .content_type(MEDIA_TYPE)
                    .body(Body::from_bytes_stream(chunks));
                response.extensions_mut().insert(CheckedByChunk);
                response
            }
        };
        if let Some((paged, query)) = self.paged {
            paging::add_links(&mut response, paged, &query);
        }
        response
    }
}

/// The error when the task of a list ended (because it panicked, for example) without a last chunk.
fn missing_last_chunk() -> Error {
    Error::Internal("a list ended without an end".into())
}

/// Logs an error that occurred after the headers were sent, and makes it an error of the body, which
/// breaks the transfer. `TimedOut` stands for a client that was cut off.
fn broken(error: Error) -> io::Error {
    if let Error::Busy(why) = error {
        tracing::info!(why, "a list was cut off");
        return io::Error::new(io::ErrorKind::TimedOut, why);
    }
    tracing::error!(%error, "a list broke off midway, and its transfer with it");
    io::Error::other(error)
}

impl<L: Type> ApiResponse for Listing<L> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![success::<L>(StatusCode::OK, page_headers())],
        }
    }

    fn register(registry: &mut Registry) {
        L::register(registry);
    }
}

/// The headers that a page has and a whole list does not have.
fn page_headers() -> Vec<MetaHeader> {
    let total = MetaSchema {
        minimum: Some(0.0),
        // The largest whole number that JavaScript represents exactly.
        maximum: Some(9_007_199_254_740_991.0),
        ..MetaSchema::new_with_format("integer", "int64")
    };
    let links = MetaSchema {
        max_length: Some(paging::MAX_LINKS),
        ..MetaSchema::new("string")
    };
    let header = |name: &str, description: &str, schema| MetaHeader {
        required: false,
        ..response_header(name, description, schema)
    };
    vec![
        header(
            "link",
            "Only with a page: links to the pages `first`, `prev`, `next` and `last` of the list, \
             as far as they exist (RFC 8288). Each is a reference relative to the request's URL and \
             keeps the other parameters. Absent when it would be longer than 4096 bytes.",
            links,
        ),
        header(
            "x-total-count",
            "Only with a page: the number of rows of the whole list",
            total,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::schemas::ProductListResponse;
    use super::*;

    #[tokio::test]
    async fn a_list_whose_task_ends_before_the_last_chunk_is_a_broken_transfer() {
        let (task, channel) = mpsc::channel(1);
        let chunks = Chunks {
            channel,
            meter: None,
        };
        let list = Listing::<ProductListResponse> {
            paged: None,
            content: Content::Chunks(Bytes::from_static(b"{"), chunks),
            list: PhantomData,
        };
        drop(task);
        let body = list.into_response().into_body().into_bytes().await;
        assert!(body.is_err(), "the body ended like a complete one");
    }
}
