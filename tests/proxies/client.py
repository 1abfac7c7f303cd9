"""A client that signs commands as Slack does and writes HTTP/1.1 byte by byte."""

import hashlib
import hmac
import itertools
import select
import socket
import struct
import time
from urllib.parse import urlencode

SECRET = b"8f742231b10e8888abcd9900000085a5"  # as Slack's are: 32 hex digits
DEADLINE = 20.0  # seconds that nothing on one machine should ever take

Address = tuple[str, int]

NUMBERS = itertools.count()


def form(text: str, origin: str) -> bytes:
    """What Slack sends for `/torrap text`; no two of them are the same."""
    response_url = f"{origin}/commands/T0001/1/secret-path"
    fields = {"command": "/torrap", "text": text, "response_url": response_url, "trigger_id": next(NUMBERS)}
    return urlencode(fields).encode()


def head(content: bytes, *fields: str, target: str = "POST /slack") -> bytes:
    """A signed head for this content; `fields` have the say about framing."""
    now = int(time.time())
    mac = hmac.new(SECRET, b"v0:%d:%s" % (now, content), hashlib.sha256).hexdigest()
    lines = [
        f"{target} HTTP/1.1",
        "Host: torrap.example",
        "Content-Type: application/x-www-form-urlencoded",
        f"X-Slack-Request-Timestamp: {now}",
        f"X-Slack-Signature: v0={mac}",
        *fields,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def signed(text: str, origin: str, *fields: str) -> bytes:
    """A whole signed request with a Content-Length."""
    content = form(text, origin)
    return head(content, f"Content-Length: {len(content)}", *fields) + content


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Client:
    """One connection."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address, DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def has_answer(self) -> bool:
        return bool(select.select([self.socket], [], [], 0)[0])

    def receive(self) -> int:
        """The status of the next response, whose content is read and dropped."""
        while b"\r\n\r\n" not in self.received:
            self._read()
        lines, rest = self.received.split(b"\r\n\r\n", 1)
        status_line, *fields = lines.decode().split("\r\n")
        lengths = [line.split(":")[1] for line in fields if line.lower().startswith("content-length:")]
        length = int(lengths[0]) if lengths else 0
        self.received = rest
        while len(self.received) < length:
            self._read()
        self.received = self.received[length:]
        return int(status_line.split()[1])

    def _read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed in the middle of a response")
        self.received += data

    def exchange(self, request: bytes) -> int:
        self.send(request)
        return self.receive()

    def reset(self) -> None:
        """Ends the connection with a RST, as a crash does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
