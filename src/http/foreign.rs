//! Other protocols at the port. Each is a mistake in a proxy's settings, which the log can name.

use super::Error;

/// What bytes are that are no HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The protocol whose first bytes these are.
    Known(Error),
    /// Perhaps one: its first bytes have not all arrived.
    Unclear,
    Unknown,
}

/// A record of TLS that holds a handshake, of any version since SSL 3.0 (RFC 8446 section 5.1).
const TLS_RECORD: &[u8] = b"\x16\x03";
/// The connection preface of HTTP/2 (RFC 9113 section 3.4), as far as a parser of HTTP/1 comes.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";
/// The first lines of the PROXY protocol, version 1 (proxy-protocol.txt of HAProxy, section 2.1).
const PROXY_LINES: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];
/// The signature of version 2 (section 2.2) without its first four bytes, which are two empty lines to us.
const PROXY_SIGNATURE: &[u8] = b"\0\r\nQUIT\n";
const PROXY_SIGNATURE_EMPTY: usize = 4;

/// Identifies bytes that no request begins with, behind `empty` bytes of empty lines. It is only asked once a
/// parser of HTTP/1 has refused them: at once where they begin with a control character, otherwise behind what is
/// compared here.
pub(super) fn identify(bytes: &[u8], empty: usize) -> Identity {
    let has_begun = |signature: &[u8]| signature.starts_with(bytes);
    let is = |signature: &[u8]| bytes.starts_with(signature);
    let may_be_signature = empty == PROXY_SIGNATURE_EMPTY;
    if is(TLS_RECORD) {
        Identity::Known(Error::Tls)
    } else if is(HTTP2_PREFACE) {
        Identity::Known(Error::Http2)
    } else if PROXY_LINES.into_iter().any(is) || (may_be_signature && is(PROXY_SIGNATURE)) {
        Identity::Known(Error::ProxyProtocol)
    } else if has_begun(TLS_RECORD) || (may_be_signature && has_begun(PROXY_SIGNATURE)) {
        Identity::Unclear
    } else {
        Identity::Unknown
    }
}
