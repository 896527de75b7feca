//! The response with a list: whole, or chunk by chunk as its task sends it.

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

use super::super::responses::{self, CheckedOnItsWay, MEDIA_TYPE, response_header, success};
use super::list_of::ListOf;
use super::paging::{self, Paged};
use super::writer::{Chunk, Position, Writer};

/// 200 and a list.
pub struct Listing<L> {
    /// The page that it is, if it is not whole, and the query that asked for it.
    paged: Option<(Paged, String)>,
    content: Content,
    list: PhantomData<L>,
}

enum Content {
    Whole(Bytes),
    Chunks(Bytes, mpsc::Receiver<Result<Chunk, Error>>),
}

impl<L: ListOf> Listing<L> {
    /// The list whose first chunk, or the error instead of it, comes next on `chunks`. `query` is that
    /// of the request.
    pub(super) async fn receive(
        mut chunks: mpsc::Receiver<Result<Chunk, Error>>,
        query: &str,
    ) -> Result<Self, Error> {
        let first = chunks.recv().await.unwrap_or_else(|| Err(without_end()))?;
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

    /// A list whose rows are here already.
    pub(in crate::api) fn of<R>(rows: Vec<R>) -> Result<Self, Error>
    where
        L::Item: From<R>,
    {
        let mut writer = Writer::<L>::from(Position::default(), None);
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
                    let mut chunks = chunks?;
                    match chunks.recv().await.unwrap_or_else(|| Err(without_end())) {
                        Ok(chunk) => Some((Ok(chunk.bytes), (!chunk.is_last).then_some(chunks))),
                        Err(error) => Some((Err(broken(error)), None)),
                    }
                });
                let chunks = stream::iter([Ok(first)]).chain(rest);
                let mut response = Response::builder()
                    .content_type(MEDIA_TYPE)
                    .body(Body::from_bytes_stream(chunks));
                response.extensions_mut().insert(CheckedOnItsWay);
                response
            }
        };
        if let Some((paged, query)) = self.paged {
            paging::add_links(&mut response, paged, &query);
        }
        response
    }
}

/// A list whose task is no more, as when it panicked, but which sent no last chunk.
fn without_end() -> Error {
    Error::Internal("a list ended without an end".into())
}

/// What went wrong after the head of the answer was sent: for the log, and as a broken transfer.
fn broken(error: Error) -> io::Error {
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

/// The headers of a page, which a whole list has not.
fn page_headers() -> Vec<MetaHeader> {
    let total = MetaSchema {
        minimum: Some(0.0),
        // What a double holds exactly, as JavaScript reads numbers.
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
    async fn a_list_whose_task_is_gone_before_its_last_part_is_a_broken_transfer() {
        let (task, chunks) = mpsc::channel(1);
        let list = Listing::<ProductListResponse> {
            paged: None,
            content: Content::Chunks(Bytes::from_static(b"{"), chunks),
            list: PhantomData,
        };
        drop(task);
        let body = list.into_response().into_body().into_bytes().await;
        assert!(body.is_err(), "it ended as if it were whole");
    }
}
