"""The bot as a lesson writes it: aiohttp, a task per reply that sleeps, aiohttp's client.

usage: bot.py ADDRESS DELAY ORIGIN [--uvloop], the secret in SLACK_SIGNING_SECRET
"""

import asyncio
import hashlib
import hmac
import os
import sys
import time
from urllib.parse import parse_qsl

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

SECRET = os.environ["SLACK_SIGNING_SECRET"].encode()
TOLERANCE_SECONDS = 300
SENDERS = 64
CONTENT_BYTES_MAX = 256 * 1024


def is_genuine(request: web.Request, body: bytes) -> bool:
    timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    base = b"v0:" + timestamp.encode() + b":" + body
    expected = "v0=" + hmac.digest(SECRET, base, hashlib.sha256).hex()
    return hmac.compare_digest(expected.encode(), signature.encode())


class Bot:
    def __init__(self, delay: float, origin: str) -> None:
        self.delay = delay
        self.origin = origin + "/"
        self.tasks: set[asyncio.Task] = set()

    async def session(self, _app: web.Application):
        connector = TCPConnector(limit=SENDERS)
        timeout = ClientTimeout(total=10)
        async with ClientSession(connector=connector, timeout=timeout) as self.client:
            yield

    async def slack(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not is_genuine(request, body):
            return web.Response(status=401)
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        url = form["response_url"]
        if not url.startswith(self.origin):
            return web.Response(status=400)
        # A task without a reference may be collected before it is done.
        task = asyncio.create_task(self.reply(url, form["text"]))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return web.Response()

    async def reply(self, url: str, text: str) -> None:
        await asyncio.sleep(self.delay)
        async with self.client.post(url, json={"text": text[::-1]}) as response:
            await response.read()


def main() -> None:
    address, delay, origin = sys.argv[1:4]
    host, port = address.rsplit(":", 1)
    bot = Bot(float(delay), origin)
    app = web.Application(client_max_size=CONTENT_BYTES_MAX)
    app.cleanup_ctx.append(bot.session)
    app.router.add_post("/slack", bot.slack)
    loop = None
    if "--uvloop" in sys.argv:
        import uvloop

        loop = uvloop.new_event_loop()
    web.run_app(
        app,
        host=host,
        port=int(port),
        backlog=4096,
        access_log=None,
        print=None,
        loop=loop,
        keepalive_timeout=120,
    )


main()
