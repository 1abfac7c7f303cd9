"""What must hold through any front end. Each check says in a few words what it saw, or raises."""

import time
from concurrent.futures import ThreadPoolExecutor

from client import DEADLINE, Client, chunk, form, head, signed
from processes import FrontEnd

REQUESTS = 10_000
CLIENTS = 8
# Requests whose clients leave before the answer.
WHOLE = 20
# More than torrap takes, and more than what Go's server, that is caddy, insists on reading first.
ENDLESS_BYTES = 32 * 1024 * 1024
# For how long cloudflared, for one, keeps a connection for reuse, and a little more.
IDLE_SECONDS = 92


def expect(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise AssertionError(f"{what}: {seen}, not {wanted}")


def signed_commands(front: FrontEnd) -> str:
    """They are acknowledged, and their replies are posted."""
    for _ in range(20):
        with Client(front.address) as client:
            expect("status", client.exchange(signed("dnammoc", front.slack.origin)), 200)
    expect("replies", front.slack.wait_for("command", 20), 20)
    return "20 acknowledged and answered"


def keep_alive(front: FrontEnd) -> str:
    """The front end reuses its connections to torrap, whatever its clients do."""
    before = front.torrap.known_connections()
    seen: set[int] = set()
    with Client(front.address) as kept:
        for number in range(100):
            expect("status on a kept connection", kept.exchange(signed("help", front.slack.origin)), 200)
            with Client(front.address) as fresh:
                expect("status on a new one", fresh.exchange(signed("help", front.slack.origin)), 200)
            if number % 10 == 9:
                seen |= front.torrap.known_connections() - before
    if len(seen) > 2:
        raise AssertionError(f"{len(seen)} connections to torrap for 200 requests in a row")
    return f"200 requests in a row on {len(seen)} new connections to torrap"


def chunked_content(front: FrontEnd) -> str:
    """Chunks go through as they come: a command in pieces, and content that has no end."""
    content = form("sknuhc", front.slack.origin)
    with Client(front.address) as client:
        client.send(head(content, "Transfer-Encoding: chunked"))
        for at in range(0, len(content), 7):
            client.send(chunk(content[at : at + 7]))
        expect("status of a command in chunks", client.exchange(b"0\r\n\r\n"), 200)
    expect("replies", front.slack.wait_for("chunks", 1), 1)
    with Client(front.address) as client:
        client.send(head(b"", "Transfer-Encoding: chunked"))
        sent = 0
        while sent < ENDLESS_BYTES and not client.has_answer():
            client.send(chunk(b"a" * 4096))
            sent += 4096
        expect("status of content without end", client.receive(), 413)
    return f"{len(content) // 7 + 1} chunks; content without end: 413 after {sent // 1024} KiB"


def forwarded_fields(front: FrontEnd) -> str:
    """What a front end adds, or a client pretends, is nothing to go by."""
    pretended = [
        "X-Forwarded-For: 10.0.0.1, 3.3.3.3",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1;host=evil.example;proto=https",
        "X-Original-URL: /healthz",
        "X-Rewrite-URL: /healthz",
        "X-HTTP-Method-Override: GET",
    ]
    content = form("help", front.slack.origin)
    length = f"Content-Length: {len(content)}"
    forged = head(b"another content", length, *pretended) + content
    elsewhere = head(content, length, "X-Original-URL: /slack", target="POST /nowhere") + content
    with Client(front.address) as client:
        expect("status", client.exchange(signed("help", front.slack.origin, *pretended)), 200)
        expect("status with a wrong signature", client.exchange(forged), 401)
        expect("status of another path", client.exchange(elsewhere), 404)
    return f"{len(pretended)} of them, pretended: 200, 401 and 404 as without"


def aborts(front: FrontEnd) -> str:
    """Clients that go in the middle of a request leave nothing behind, and nothing is carried out."""
    request = signed("flah", front.slack.origin)
    cuts = range(1, len(request), 4)
    for number, cut in enumerate(cuts):
        client = Client(front.address)
        client.send(request[:cut])
        client.reset() if number % 2 else client.socket.close()
    for number in range(WHOLE):  # but the client does not wait for the answer
        client = Client(front.address)
        client.send(signed("enog", front.slack.origin))
        client.reset() if number % 2 else client.socket.close()
    with Client(front.address) as client:
        expect("status afterwards", client.exchange(signed("retfa", front.slack.origin)), 200)
    expect("replies afterwards", front.slack.wait_for("after", 1), 1)
    expect("replies to half a request", front.slack.texts.count("half"), 0)
    deadline = time.monotonic() + DEADLINE
    # Those of whole requests are good, and may be kept for others.
    while (left := front.torrap.open_connections()) > WHOLE + 1:
        if time.monotonic() > deadline:
            raise AssertionError(f"{left} connections to torrap are still open")
        time.sleep(0.05)
    return f"{len(cuts)} in the middle, {WHOLE} before the answer; {left} connections to torrap are kept"


def many_requests(front: FrontEnd) -> str:
    """Whatever the mix, the answers are torrap's, and none is the front end's 502."""
    before = front.torrap.known_connections()
    begin = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = pool.map(requests, [front] * CLIENTS, range(CLIENTS))
        answers = [answer for share in shares for answer in share]
    took = time.monotonic() - begin
    wrong = [answer for answer in answers if answer]
    if wrong:
        raise AssertionError(f"{len(wrong)} of {REQUESTS}, such as {sorted(set(wrong))[:5]}")
    expect("requests answered", len(answers), REQUESTS)
    expect("replies", front.slack.wait_for("many", REQUESTS // 10), REQUESTS // 10)
    connections = len(front.torrap.known_connections() - before)
    return f"{REQUESTS:,} in {took:.1f} s on {connections} connections to torrap: no 502"


def requests(front: FrontEnd, number: int) -> list[str]:
    """One client's share: what was wrong with each answer, if anything."""
    helps = signed("help", front.slack.origin)
    kinds = [(b"", 200), (helps.replace(b"v0=", b"v0=0"), 401)]
    kinds += [(b"GET /healthz HTTP/1.1\r\nHost: torrap.example\r\n\r\n", 200)] + [(helps, 200)] * 7
    results = []
    client = Client(front.address)
    for turn in range(REQUESTS // CLIENTS):
        request, wanted = kinds[turn % len(kinds)]
        # Each a command of its own: the same one again has no second reply while its first is pending.
        request = request or signed("ynam", front.slack.origin)
        try:
            status = client.exchange(request)
            results.append("" if status == wanted else f"{status} instead of {wanted}")
        except OSError as error:
            results.append(repr(error))
        if turn % 25 == number or results[-1]:
            client.socket.close()
            client = Client(front.address)
    client.socket.close()
    return results


def idle_reuse(front: FrontEnd) -> str:
    """A connection to torrap that was idle for so long still serves."""
    with Client(front.address) as client:
        expect("status", client.exchange(signed("help", front.slack.origin)), 200)
        before = front.torrap.known_connections()
        idle = front.torrap.open_connections()
        time.sleep(IDLE_SECONDS)
        expect("status", client.exchange(signed("help", front.slack.origin)), 200)
        expect("new connections", len(front.torrap.known_connections() - before), 0)
    return f"{idle} idle for {IDLE_SECONDS} s, one used again, none new"


CHECKS = [signed_commands, keep_alive, chunked_content, forwarded_fields, aborts, many_requests]
