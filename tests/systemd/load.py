"""Commands that come in all the time, and what became of each."""

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from client import DEADLINE, Client, signed
from processes import SlackStandIn

ADDRESS = ("127.0.0.1", 8000)
CLIENTS = 4  # of each kind
LONG_COMMANDS = 2_000  # of 3 kB, by each client, if it lives that long
SLACKS_TIMEOUT = 3.0  # seconds
REST = 0.005  # seconds between two commands of a client


class Load:
    """Half of the clients open a connection for each command, half keep theirs as long as the bot does."""

    def __init__(self, slack: SlackStandIn, name: str) -> None:
        self.slack, self.name = slack, name
        self.changed = threading.Condition()
        self.acknowledged: list[str] = []
        self.failed: list[str] = []
        self.slowest = 0.0
        self.is_over = False
        kinds = (self.on_new_connections, self.on_a_kept_connection)
        self.clients = [
            threading.Thread(target=kind, args=(f"{name}-{kind.__name__[3]}{n}",), daemon=True)
            for kind in kinds
            for n in range(CLIENTS)
        ]

    def __enter__(self) -> "Load":
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        for client in self.clients:
            client.join()

    def on_new_connections(self, client: str) -> None:
        number = 0
        while not self.is_over:
            number += 1
            self.command(f"{client}-{number}", http.client.HTTPConnection(*ADDRESS, timeout=DEADLINE))

    def on_a_kept_connection(self, client: str) -> None:
        # It closes its side when the bot says `Connection: close`, and opens another for the next command.
        connection, number = http.client.HTTPConnection(*ADDRESS, timeout=DEADLINE), 0
        while not self.is_over:
            number += 1
            self.command(f"{client}-{number}", connection, keep=True)
        connection.close()

    def command(self, text: str, connection: http.client.HTTPConnection, keep: bool = False) -> None:
        head, content = signed(text, self.slack.origin).split(b"\r\n\r\n", 1)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        began = time.monotonic()
        try:
            connection.request("POST", "/slack", content, fields)
            response = connection.getresponse()
            body = response.read()
            what = "" if (response.status, body) == (200, b"") else f"{response.status} {body!r}"
        except (OSError, http.client.HTTPException) as error:
            what = repr(error)
        if what or not keep:
            connection.close()
        with self.changed:
            self.slowest = max(self.slowest, time.monotonic() - began)
            if what:
                self.failed.append(f"{text}: {what}")
            else:
                self.acknowledged.append(text)
            self.changed.notify_all()
        time.sleep(REST)

    def more(self, count: int) -> None:
        """Waits until so many further commands are acknowledged."""
        with self.changed:
            enough = len(self.acknowledged) + count
            came = self.changed.wait_for(lambda: len(self.acknowledged) >= enough, DEADLINE)
            assert came, f"only {len(self.acknowledged)} of {enough} acknowledged; {self.failed[:3]}"


def send(slack: SlackStandIn, texts: list[str]) -> None:
    """Each is acknowledged, on one connection."""
    with Client(ADDRESS) as client:
        for text in texts:
            status = client.exchange(signed(text, slack.origin))
            assert status == 200, f"{text}: {status}"


def replies(slack: SlackStandIn, texts: list[str], deadline: float = DEADLINE) -> None:
    """Each has come, exactly once."""
    wanted = {text[::-1] for text in texts}
    with slack.posted:
        slack.posted.wait_for(lambda: wanted <= set(slack.texts), deadline)
        missing = [text for text in wanted if text not in slack.texts]
        twice = [text for text in wanted if slack.texts.count(text) > 1]
    assert not missing, f"{len(missing)} of {len(wanted)} replies are missing, as {missing[0][-40:]!r}"
    assert not twice, f"{len(twice)} of {len(wanted)} replies came twice, as {twice[0][-40:]!r}"


def acknowledge_until_it_dies(slack: SlackStandIn, name: str) -> list[str]:
    """Commands with long texts on several connections, until they get no answer. Those that were acknowledged."""
    texts: list[str] = []

    def send_until_it_dies(client: int) -> None:
        try:
            with Client(ADDRESS) as connection:
                for number in range(LONG_COMMANDS):
                    text = f"{name}-{client}-{number}-".ljust(3_000, "x")
                    if connection.exchange(signed(text, slack.origin)) == 200:
                        texts.append(text)
        except OSError:
            pass  # it died

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send_until_it_dies, range(CLIENTS)))
    assert len(texts) < CLIENTS * LONG_COMMANDS, "all were acknowledged, and it lives"
    return texts


def finished(load: Load, what: str) -> str:
    """What is said of a load that none of its commands failed, and that all were answered."""
    assert not load.failed, f"{len(load.failed)} commands failed: {load.failed[:3]}"
    replies(load.slack, load.acknowledged)
    assert load.slowest < SLACKS_TIMEOUT, f"the slowest acknowledgement took {load.slowest:.1f} s"
    return f"{what}, {len(load.acknowledged)} commands, none failed, each answered once, at most {load.slowest:.2f} s"
