//! The language of Redis and Valkey, without a socket: the URL of a server, commands out, replies in, and what a server says of
//! itself. Nothing here knows torrap's jobs.
//!
//! Commands and replies are those of RESP2 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>), which every version
//! speaks without being asked to.

mod address;
mod command;
mod reader;
mod reply;
mod server_error;
mod server_info;
mod url;

pub use address::Address;
pub use command::{begin, encode, part};
pub use reader::{
    ProtocolError, REPLY_BYTES_MAX, REPLY_DEPTH_MAX, REPLY_ELEMENTS_MAX, ReplyReader,
};
pub use reply::Reply;
pub use server_error::{ErrorKind, MissingRight, ServerError};
pub use server_info::ServerInfo;
pub use url::{FLEET, RedisUrl, UrlError, WAIT_MAX};
