//! Bytes that are nearly HTTP.

use crate::generator::Generator;

const WORDS: [&str; 16] = [
    "GET ",
    "POST ",
    "/slack",
    "/healthz",
    " HTTP/1.1",
    "\r\n",
    "\r\n\r\n",
    "Host: x",
    ": ",
    "Content-Length: ",
    "Transfer-Encoding: chunked",
    "5",
    "Connection: close",
    "\n",
    "\0",
    "é",
];

/// Up to 200 words of HTTP, any bytes between them.
pub fn garbage(generator: &mut Generator) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..generator.below(200) {
        if generator.percent(10) {
            bytes.extend_from_slice(&generator.number().to_le_bytes());
        } else {
            bytes.extend_from_slice(generator.pick(&WORDS).as_bytes());
        }
    }
    bytes
}
