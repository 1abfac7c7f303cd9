"""What happens: commands come in all the time, a replica is killed and comes back, another is cut off."""

import hashlib
import hmac
import http.client
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlencode

import crowd
from machines import ADDRESSES, FRONT_ADDRESS, cut, inside, machine, mend

SECRET = "8f742231b10e8888abcd99feedface85"
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DEADLINE = 20.0  # seconds that nothing on one machine should ever take
SLACKS_TIMEOUT = 3.0
DELAY = 0.5  # seconds from a command to its reply
CLIENTS = 4
REST = 0.02  # seconds between two commands of a client
COMMANDS = 120  # acknowledged in each act before the next begins


class Slack:
    """Sends commands from several clients, and takes the replies."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.acknowledged: dict[str, float] = {}  # when, by text
        self.slowest = 0.0
        self.errors: list[str] = []
        self.replies: dict[str, int] = {}
        self.is_over = False
        self.trusting = ssl._create_unverified_context()  # the certificate is of our own making
        slack = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                text = json.loads(content)["text"][::-1]
                with slack.changed:
                    slack.replies[text] = slack.replies.get(text, 0) + 1
                    slack.changed.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer((FRONT_ADDRESS, 0), Handler)
        self.origin = f"http://{FRONT_ADDRESS}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.clients = [threading.Thread(target=self.send, args=(n,)) for n in range(CLIENTS)]

    def send(self, client: int) -> None:
        number = 0
        while not self.is_over:
            number += 1
            text = f"{client}-{number}"
            began = time.monotonic()
            what = self.command(FRONT_ADDRESS, text)
            with self.changed:
                self.slowest = max(self.slowest, time.monotonic() - began)
                if what == "200 b''":
                    self.acknowledged[text] = time.monotonic()
                else:
                    self.errors.append(f"{text}: {what}")
                self.changed.notify_all()
            time.sleep(REST)

    def command(self, front: str, text: str) -> str:
        """Sends a command on a connection of its own. What came of it."""
        try:
            connection = http.client.HTTPSConnection(
                front, 443, timeout=DEADLINE, context=self.trusting
            )
            connection.request("POST", "/slack", *signed(text, self.origin))
            response = connection.getresponse()
            what = f"{response.status} {response.read()!r}"
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            what = repr(error)
        return what

    def wait_for_more(self) -> None:
        with self.changed:
            enough = len(self.acknowledged) + COMMANDS
            came = self.changed.wait_for(lambda: len(self.acknowledged) >= enough, DEADLINE)
            assert came, f"only {len(self.acknowledged)} of {enough}; {self.errors[:3]}"

    def finish(self, seconds: float = 5) -> None:
        """No more commands; waits for the replies."""
        self.is_over = True
        for client in self.clients:
            client.join()
        with self.changed:
            self.changed.wait_for(lambda: self.acknowledged.keys() <= self.replies.keys(), seconds)


def signed(text: str, origin: str) -> tuple[str, dict[str, str]]:
    path = quote(f"/commands/1/{text}")
    fields = {"command": "/torrap", "text": text, "response_url": f"{origin}{path}"}
    content, now = urlencode(fields), int(time.time())
    base = f"v0:{now}:{content}".encode()
    mac = hmac.new(SECRET.encode(), base, hashlib.sha256).hexdigest()
    return content, {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": str(now),
        "X-Slack-Signature": f"v0={mac}",
    }


class Scene:
    """One proxy, two replicas."""

    delay = DELAY
    environment: dict[str, str] = {}

    def __init__(
        self, proxy: str, binary: Path, network: str, folder: Path, adapt=lambda text: text
    ) -> None:
        self.proxy, self.binary, self.network, self.folder = proxy, binary, network, folder
        self.adapt = adapt  # the proxy's file
        self.slack = Slack()
        self.processes: dict[str, subprocess.Popen] = {}
        usage = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True)
        self.has_journal = "--journal" in usage.stdout

    def __enter__(self) -> "Scene":
        for replica in ADDRESSES:
            self.start(replica)
        self.run("proxy", self.front())
        wait_until(lambda: reaches(FRONT_ADDRESS, 443), "the proxy listens")
        return self

    def __exit__(self, *_: object) -> None:
        self.slack.is_over = True
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(DEADLINE)
        self.slack.server.shutdown()
        self.slack.server.server_close()

    def run(self, name: str, command: list[str]) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"SLACK_SIGNING_SECRET": SECRET, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.environment},
            )

    def start(self, replica: str) -> None:
        command = [str(self.binary), "--listen", f"{ADDRESSES[replica]}:8000", "--delay", str(self.delay),
                   "--metrics-listen", f"{ADDRESSES[replica]}:9100",
                   "--reply-origin", self.slack.origin, *self.journal(replica)]
        self.run(replica, inside(machine(self.network, replica), command))
        wait_until(lambda: reaches(ADDRESSES[replica], 8000), f"{replica} listens")

    def journal(self, replica: str) -> list[str]:
        """The setting of a replica's journal."""
        return ["--journal", str(self.folder / f"journal-{replica}")] if self.has_journal else []

    def front(self) -> list[str]:
        """The proxy's command line. Its file is deploy's, but for the certificate's path."""
        pem = self.folder / "slack.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
             "-subj", "/CN=torrap.example", "-keyout", pem, "-out", self.folder / "crt"],
            check=True, stderr=subprocess.DEVNULL,
        )
        pem.write_text(pem.read_text() + (self.folder / "crt").read_text())
        name = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[self.proxy]
        text = (DEPLOY / name).read_text()
        text = text.replace(f"/etc/{self.proxy}/slack.pem", str(pem))
        file = self.folder / name
        file.write_text(self.adapt(text))
        if self.proxy == "haproxy":
            return ["haproxy", "-db", "-f", str(file)]
        directives = f"daemon off; pid {self.folder}/nginx.pid; error_log stderr crit;"
        return ["nginx", "-p", str(self.folder), "-e", "stderr", "-c", str(file), "-g", directives]

    def play(self) -> str:
        """All acts. Returns what came of it."""
        slack = self.slack
        for client in slack.clients:
            client.start()
        slack.wait_for_more()
        assert all(accepted(replica) > 0 for replica in ADDRESSES), "both work"
        killed_at = time.monotonic()
        self.processes["a"].kill()
        self.processes["a"].wait(DEADLINE)
        slack.wait_for_more()
        self.await_check("a", "DOWN")
        self.start("a")
        self.await_check("a", "UP")
        wait_until(lambda: accepted("a") > 0, "a gets commands again")
        slack.wait_for_more()
        cut("b")
        try:
            slack.wait_for_more()
            self.await_check("b", "DOWN")
        finally:
            mend("b")
        self.await_check("b", "UP")
        before = accepted("b")
        wait_until(lambda: accepted("b") > before, "b gets commands again")
        slack.finish()
        return self.judge(killed_at)

    def hold_out(self) -> str:
        """All crowds, one after the other. Returns what came of it."""
        crowd.assert_refusal_ends()
        seen = {(kind, source): crowd.slowest_command(kind, source, self.slack.command)
                for kind, source in crowd.SCENES}
        if self.proxy == "haproxy":
            # It knows a source before it lets a connection in.
            limit = crowd.SOURCE_LIMIT
            alone, tunnel = (seen["half heads", source][1] for source in ("one source", "a tunnel"))
            assert 0 < alone <= limit < tunnel, f"{alone} of one source, {tunnel} through a tunnel"
        slowest = max(seen, key=lambda scene: seen[scene][0])
        held = max(held for _, held in seen.values())
        return (f"{len(seen)} crowds that hold up to {held} connections; slowest command "
                f"{seen[slowest][0]:.2f} s ({', '.join(slowest)})")

    def await_check(self, replica: str, verdict: str) -> None:
        """Waits until the proxy's own health checks have come to that, if it makes any."""
        if self.proxy == "haproxy":
            said, log = f"Server torrap/{replica} is {verdict}", self.folder / "proxy.log"
            wait_until(lambda: said in log.read_text(), said)

    def judge(self, killed_at: float) -> str:
        slack = self.slack
        # Sent to a replica in the moment in which it went, and not given to the other one: each client has one command
        # under way at a time.
        assert len(slack.errors) <= 2 * CLIENTS, f"{len(slack.errors)} errors: {slack.errors[:9]}"
        assert slack.slowest < SLACKS_TIMEOUT, f"an acknowledgement took {slack.slowest:.1f} s"
        lost = [text for text in slack.acknowledged if text not in slack.replies]
        if self.has_journal:
            assert not lost, f"replies lost in spite of the journal: {lost[:5]}"
        for text in lost:
            age = killed_at - slack.acknowledged[text]
            assert -1 < age < DELAY + 1, f"{text} was not pending at the kill"
        twice = [text for text, count in slack.replies.items() if count > 1]
        assert not twice, f"replied to twice: {twice[:5]}"
        journal = "with a journal" if self.has_journal else "without a journal"
        return (f"{len(slack.acknowledged)} commands and {len(slack.errors)} under way to a replica that went, slowest "
                f"{slack.slowest:.2f} s; {journal} {len(lost)} replies lost in the kill, none sent twice")

    def logs(self) -> str:
        return "".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))


def reaches(address: str, port: int) -> bool:
    try:
        http.client.socket.create_connection((address, port), 0.5).close()
        return True
    except OSError:
        return False


def metric(replica: str, name: str) -> float:
    """One of the replica's metrics; 0 if it cannot be reached."""
    try:
        watch = http.client.HTTPConnection(ADDRESSES[replica], 9100, timeout=1)
        watch.request("GET", "/metrics")
        lines = watch.getresponse().read().decode().splitlines()
        watch.close()
    except OSError:
        return 0
    name += " "
    return next(float(line[len(name):]) for line in lines if line.startswith(name))


def accepted(replica: str) -> float:
    """How many commands the replica has accepted since its start."""
    return metric(replica, "torrap_commands_accepted_total")


def wait_until(is_so, what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < deadline, f"not so: {what}"
        time.sleep(0.02)
