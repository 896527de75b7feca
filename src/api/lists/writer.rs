//! Writes a list as JSON, chunk by chunk.

use std::marker::PhantomData;

use bytes::Bytes;
use futures_util::stream::StreamExt;
use serde::Serialize;

use crate::db::Rows;
use crate::error::Error;

use super::super::responses::counted;
use super::super::schemas::Pagination;
use super::super::types::Id;
use super::super::validation::RowValidator;
use super::list_of::ListOf;
use super::paging::Paged;

/// A chunk is sent when it has at least so many bytes.
pub(super) const CHUNK: usize = 16 * 1024;

/// Some bytes of a list.
#[derive(Clone)]
pub(super) struct Chunk {
    /// The page that the rows are from, if the list is not whole.
    pub paged: Option<Paged>,
    pub bytes: Bytes,
    pub is_last: bool,
}

/// How much of a list has been written, so that another query can go on after it.
#[derive(Clone, Copy, Default)]
pub(super) struct Position {
    /// The id of the last row.
    pub id: i32,
    /// The number of rows so far.
    pub rows: usize,
}

/// Whether the buffer is full; if not, there are no more rows.
pub(super) struct IsFull(pub bool);

/// Writes a list.
pub(super) struct Writer<L> {
    paged: Option<Paged>,
    buffer: Vec<u8>,
    /// Where the buffer's rows begin.
    rows_at: usize,
    /// How many rows went before them.
    rows_before: usize,
    /// The last row that was written.
    pub position: Position,
    /// Whether a chunk has been sent before.
    pub is_under_way: bool,
    list: PhantomData<L>,
}

impl<L: ListOf> Writer<L> {
    /// Begins a list or a page of it, or goes on with one.
    pub(super) fn from(position: Position, paged: Option<Paged>) -> Self {
        let is_under_way = position.rows > 0;
        let buffer = if is_under_way {
            Vec::new()
        } else {
            br#"{"success":true,"data":["#.to_vec()
        };
        Self {
            paged,
            rows_at: buffer.len(),
            rows_before: position.rows,
            buffer,
            position,
            is_under_way,
            list: PhantomData,
        }
    }

    /// Writes rows until the buffer is full or there are no more.
    pub(super) async fn fill<R>(&mut self, rows: &mut Rows<'_, R>) -> Result<IsFull, Error>
    where
        L::Item: From<R>,
    {
        while self.buffer.len() < CHUNK {
            let Some(row) = rows.next().await else {
                return Ok(IsFull(false));
            };
            self.push(&L::Item::from(row?))?;
        }
        Ok(IsFull(true))
    }

    pub(super) fn push(&mut self, item: &L::Item) -> Result<(), Error> {
        if self.position.rows > 0 {
            self.buffer.push(b',');
        }
        self.position = Position {
            id: L::id(item),
            rows: self.position.rows + 1,
        };
        sonic_rs::to_writer(&mut self.buffer, item).map_err(|error| Error::Internal(error.into()))
    }

    /// Checks the buffer's rows against the contract.
    pub(super) fn check(&self, validator: Option<RowValidator>) -> Result<(), Error> {
        let rows = &self.buffer[self.rows_at..];
        let rows = rows.strip_prefix(b",").unwrap_or(rows);
        validator.map_or(Ok(()), |validator| {
            validator.check_rows(rows, self.rows_before)
        })
    }

    /// Takes the buffer's content.
    pub(super) fn chunk(&mut self) -> Chunk {
        self.is_under_way = true;
        self.rows_at = 0;
        self.rows_before = self.position.rows;
        let next = Vec::with_capacity(self.buffer.len() + self.buffer.len() / 16);
        let mut bytes = std::mem::replace(&mut self.buffer, next);
        // The serializer makes room for the worst: every character escaped. Chunks wait for clients.
        bytes.shrink_to_fit();
        Chunk {
            paged: self.paged,
            bytes: bytes.into(),
            is_last: false,
        }
    }

    /// The buffer's content and the end of the list: the page with the total, and the message.
    pub(super) fn last_chunk(mut self) -> Chunk {
        #[derive(Serialize)]
        struct End {
            #[serde(skip_serializing_if = "Option::is_none")]
            pagination: Option<Pagination>,
            message: String,
        }
        let end = End {
            pagination: self.paged.map(|Paged { page, total }| Pagination {
                page: Id(page.number),
                limit: page.size,
                total,
            }),
            message: counted(self.position.rows, L::NOUN),
        };
        let end = serde_json::to_string(&end).unwrap_or_default();
        self.buffer.extend_from_slice(b"],");
        // Without its opening brace, since it continues the envelope.
        self.buffer.extend_from_slice(&end.as_bytes()[1..]);
        Chunk {
            paged: self.paged,
            bytes: self.buffer.into(),
            is_last: true,
        }
    }
}
