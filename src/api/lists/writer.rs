//! Serialises a list as JSON, in chunks.

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
use super::list_response::ListResponse;
use super::paging::Paged;

/// The size of a chunk in bytes: when the buffer has at least this size, its content is sent.
pub(super) const CHUNK: usize = 16 * 1024;

/// A part of the body of a list.
#[derive(Clone)]
pub(super) struct Chunk {
    /// For a page: its position in the list.
    pub paged: Option<Paged>,
    pub bytes: Bytes,
    /// The number of rows that end in the chunk.
    pub rows: usize,
    pub is_last: bool,
}

/// The last row of a list that was written, so that another query can continue after it.
#[derive(Clone, Copy, Default)]
pub(super) struct Position {
    /// The id of the row; 0 before the first row.
    pub id: i32,
    /// The number of rows up to this one.
    pub rows: usize,
}

/// Whether the buffer is full. If it is not, the list has no more rows.
pub(super) struct IsFull(pub bool);

/// Serialises a list, or a page of it, into a buffer.
pub(super) struct Writer<L> {
    paged: Option<Paged>,
    buffer: Vec<u8>,
    /// The index of the first byte of a row in the buffer.
    rows_start: usize,
    /// The number of rows in earlier chunks.
    rows_before: usize,
    /// The last row that was written.
    pub position: Position,
    /// Whether a chunk was taken from the buffer before, or the list is continued after another query.
    pub has_earlier_chunks: bool,
    list: PhantomData<L>,
}

impl<L: ListResponse> Writer<L> {
    /// A writer for the rows after `position`. At the default position it writes the beginning of the
    /// envelope first.
    pub(super) fn new(position: Position, paged: Option<Paged>) -> Self {
        let has_earlier_chunks = position.rows > 0;
        let buffer = if has_earlier_chunks {
            Vec::new()
        } else {
            br#"{"success":true,"data":["#.to_vec()
        };
        Self {
            paged,
            rows_start: buffer.len(),
            rows_before: position.rows,
            buffer,
            position,
            has_earlier_chunks,
            list: PhantomData,
        }
    }

    /// Writes rows until the buffer is full or there are no more rows.
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

    /// Writes one row.
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

    /// Checks the rows in the buffer against the contract.
    pub(super) fn check_rows(&self, validator: Option<&RowValidator>) -> Result<(), Error> {
        let rows = &self.buffer[self.rows_start..];
        let rows = rows.strip_prefix(b",").unwrap_or(rows);
        validator.map_or(Ok(()), |validator| {
            validator.check_rows(rows, self.rows_before)
        })
    }

    /// Takes the content of the buffer.
    pub(super) fn take_chunk(&mut self) -> Chunk {
        self.has_earlier_chunks = true;
        self.rows_start = 0;
        let rows = self.position.rows - self.rows_before;
        self.rows_before = self.position.rows;
        let next = Vec::with_capacity(self.buffer.len() + self.buffer.len() / 16);
        let mut bytes = std::mem::replace(&mut self.buffer, next);
        // The serialiser reserves memory for the case that every character has to be escaped. A chunk may
        // wait long for its client, so the rest is freed.
        bytes.shrink_to_fit();
        Chunk {
            paged: self.paged,
            bytes: bytes.into(),
            rows,
            is_last: false,
        }
    }

    /// Takes the content of the buffer, and adds the end of the envelope: `pagination` and `message`.
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
        // Without the opening brace, since these are further members of the envelope.
        self.buffer.extend_from_slice(&end.as_bytes()[1..]);
        Chunk {
            paged: self.paged,
            rows: self.position.rows - self.rows_before,
            bytes: self.buffer.into(),
            is_last: true,
        }
    }
}
