//! What a server answers to one command.

use super::server_error::ServerError;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A short text, such as `OK`.
    Status(String),
    /// The command has failed.
    Error(ServerError),
    /// A number.
    Integer(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// There is no value: a null bulk string or a null array.
    Null,
    /// Replies in a row.
    Array(Vec<Self>),
}

impl Reply {
    /// The error, if it is one.
    ///
    /// # Errors
    /// The server has refused the command.
    pub fn ok(self) -> Result<Self, ServerError> {
        match self {
            Self::Error(error) => Err(error),
            reply => Ok(reply),
        }
    }

    /// The bytes of a bulk string or of a status.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) => Some(bytes),
            Self::Status(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The text of a bulk string or of a status, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(self.bytes()?).ok()
    }

    /// A number, which some commands answer as a string.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            reply => reply.text()?.parse().ok(),
        }
    }

    /// The replies of an array.
    #[must_use]
    pub fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(replies) => Some(replies),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_as_what_is_asked_for() {
        let bulk = Reply::Bulk(b"12".to_vec());
        assert_eq!(
            (bulk.text(), bulk.integer(), bulk.array()),
            (Some("12"), Some(12), None)
        );
        assert_eq!(Reply::Bulk(vec![0xff]).text(), None);
        assert_eq!(Reply::Integer(-1).integer(), Some(-1));
        assert_eq!(Reply::Null.integer(), None);
        let array = Reply::Array(vec![Reply::Null]);
        assert_eq!(array.array(), Some(&[Reply::Null][..]));
        assert_eq!(array.bytes(), None);
        assert!(array.ok().is_ok());
        let error = ServerError::parse("ERR no");
        assert_eq!(Reply::Error(error.clone()).ok(), Err(error));
    }
}
