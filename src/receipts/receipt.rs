//! A receipt as readers meet it: bytes at a place in a log, taken apart where they can be.

use jiff::Timestamp;

use super::envelope::{Envelope, ReceiptId};
use super::log::LogId;
use super::statement::Statement;

/// A receipt at its place. What can't be read stays one, since it is what a reader would look for.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub log: LogId,
    pub index: u64,
    pub bytes: Vec<u8>,
    /// What it says, or why it can't be read.
    pub content: Result<Content, String>,
}

/// What an envelope says. Its signature has not been looked at.
#[derive(Debug, Clone)]
pub struct Content {
    pub id: ReceiptId,
    pub envelope: Envelope,
    pub statement: Statement,
}

impl Receipt {
    pub fn read(log: &LogId, index: u64, bytes: Vec<u8>) -> Self {
        Receipt { log: log.clone(), index, content: Content::read(&bytes), bytes }
    }

    pub fn time(&self) -> Option<Timestamp> {
        self.content.as_ref().ok().map(|content| content.statement.stamp.time.timestamp())
    }
}

impl Content {
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let envelope = Envelope::parse(bytes).map_err(|error| error.to_string())?;
        let statement = Statement::parse(&envelope.payload).map_err(|error| error.to_string())?;
        Ok(Content { id: envelope.id(), envelope, statement })
    }
}
