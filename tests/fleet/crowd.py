"""Crowds that hold on to the front end's connections, and come back when they are closed: a signed command gets
through all the same.

Both are an eighth of life's: the crowd, and the connections that deploy/'s files allow.
"""

import re
import socket
import ssl
import threading
import time

from machines import FRONT_ADDRESS

SCALE = 8
# As many as had the file's 4,096 connections before, and some more.
CROWD = 4096 // SCALE + 100
SOURCE_LIMIT = 512 // SCALE  # HAProxy's for a source
THREADS = 8
COMMANDS = 3
DEADLINE = 2.0  # seconds that one of the crowd gives an attempt
BUILD_UP = 40.0  # seconds in which all of them must have tried
SLACKS_TIMEOUT = 3.0

GET = b"GET /slack?ssl_check=1 HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
# What each sends, after a TLS handshake, and whether it has an answer to that; nothing at all without TLS.
KINDS = {
    "idle after an answer": (GET, True),
    "half heads": (GET[:20], False),
    "half contents": (POST + b"a", False),
    "silent": (None, False),
}
# Where it comes from, and where the front end is for it and for Slack. `machines.py` gives the machine these sources.
SOURCES = {
    "one source": (lambda number: "198.18.0.1", FRONT_ADDRESS),
    "a source each": (lambda number: f"198.18.{1 + number // 250}.{1 + number % 250}", FRONT_ADDRESS),
    "a tunnel": (lambda number: "127.0.0.1", "127.0.0.1"),
}
# A tunnel is told apart by its address alone.
SCENES = [(kind, source) for kind in KINDS for source in SOURCES
          if source != "a tunnel" or kind in ("idle after an answer", "half heads")]


def scaled(text: str) -> str:
    """The front end's file with an eighth of its connections, and one worker."""
    text = text.replace("worker_processes auto;", "worker_processes 1;")
    numbers = re.compile(r"(\bmaxconn |\bworker_connections |\bsc0_conn_cur gt |\blimit_conn sources )(\d+)")
    return numbers.sub(lambda found: found[1] + str(int(found[2]) // SCALE), text)


class Crowd:
    """Holds on until it is dismissed."""

    def __init__(self, kind: str, source: str) -> None:
        self.first, self.is_answered = KINDS[kind]
        self.source, self.front = SOURCES[source]
        self.tls = ssl._create_unverified_context()
        self.is_over = False
        self.tried = [0] * THREADS
        self.held = [0] * THREADS
        self.threads = [threading.Thread(target=self.hold, args=(n,)) for n in range(THREADS)]

    def __enter__(self) -> "Crowd":
        for thread in self.threads:
            thread.start()
        deadline = time.monotonic() + BUILD_UP
        while sum(self.tried) < CROWD and time.monotonic() < deadline:
            time.sleep(0.02)
        if sum(self.tried) < CROWD:
            self.__exit__()
            raise AssertionError(f"only {sum(self.tried)} of {CROWD} have tried")
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def hold(self, thread: int) -> None:
        numbers = range(thread, CROWD, THREADS)
        members: dict[int, socket.socket] = {}
        while not self.is_over:
            for number in numbers:
                if self.is_over:
                    break
                if number not in members:
                    member = self.join(number)
                    self.tried[thread] += 1
                    if member:
                        members[number] = member
                elif is_closed(members[number]):
                    members.pop(number).close()
            self.held[thread] = len(members)
            time.sleep(0.05)
        for member in members.values():
            member.close()

    def join(self, number: int) -> socket.socket | None:
        member = socket.socket()
        try:
            member.settimeout(DEADLINE)
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            member.bind((self.source(number), 0))
            member.connect((self.front, 443))
            if self.first is not None:
                member = self.tls.wrap_socket(member, server_hostname="torrap.example")
                member.sendall(self.first)
                if self.is_answered:
                    member.recv(4096)
            member.settimeout(0)
            return member
        except OSError:
            member.close()
            return None


def is_closed(member: socket.socket) -> bool:
    try:
        return not member.recv(4096)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def assert_refusal_ends() -> None:
    """A client that asks for something else is refused, and keeps no connection to be idle on."""
    tls = ssl._create_unverified_context()
    with socket.create_connection((FRONT_ADDRESS, 443), DEADLINE) as plain:
        with tls.wrap_socket(plain, server_hostname="torrap.example") as refused:
            refused.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while piece := refused.recv(4096):  # a timeout is an error: it stays open
                answer += piece
    assert answer.startswith(b"HTTP/1.1 404 "), answer


def slowest_command(kind: str, source: str, command) -> tuple[float, int]:
    """The longest that a command takes while the crowd holds on, and how many connections that had by then."""
    front = SOURCES[source][1]
    slowest = 0.0
    with Crowd(kind, source) as crowd:
        for number in range(COMMANDS):
            began = time.monotonic()
            what = command(front, f"{kind}, {source}, {number}")
            took = time.monotonic() - began
            assert what == "200 b''", f"{kind}, {source}: {what} after {took:.1f} s"
            assert took < SLACKS_TIMEOUT, f"{kind}, {source}: {took:.1f} s"
            slowest = max(slowest, took)
        return slowest, sum(crowd.held)
