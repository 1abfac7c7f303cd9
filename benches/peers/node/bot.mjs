// The bot on node:http, no framework and no packages.
//
// usage: node bot.mjs ADDRESS DELAY ORIGIN, the secret in SLACK_SIGNING_SECRET

import { createHmac, timingSafeEqual } from "node:crypto";
import http from "node:http";
import https from "node:https";

const TOLERANCE_SECONDS = 300;
const SENDERS = 64;
const CONTENT_BYTES_MAX = 256 * 1024;
const KEEP_ALIVE_MS = 120_000;

const [address, delay, origin] = process.argv.slice(2);
const secret = process.env.SLACK_SIGNING_SECRET;
const options = { keepAlive: true, maxSockets: SENDERS };
const clients = {
  "http:": [http, new http.Agent(options)],
  "https:": [https, new https.Agent(options)],
};

function isGenuine(headers, body) {
  const timestamp = headers["x-slack-request-timestamp"] ?? "";
  const signature = headers["x-slack-signature"] ?? "";
  if (!/^\d+$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const mac = createHmac("sha256", secret).update(`v0:${timestamp}:`).update(body);
  const expected = Buffer.from(`v0=${mac.digest("hex")}`);
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(expected, given);
}

// One field, found in the raw form: a full decode takes several times as long.
function field(form, name) {
  const start = form.startsWith(`${name}=`) ? 0 : form.indexOf(`&${name}=`) + 1;
  if (start === 0 && !form.startsWith(`${name}=`)) return undefined;
  const end = form.indexOf("&", start);
  const value = form.slice(start + name.length + 1, end < 0 ? undefined : end);
  return decodeURIComponent(value.replaceAll("+", " "));
}

function post(url, text) {
  const content = JSON.stringify({ text: [...text].reverse().join("") });
  const [client, agent] = clients[url.slice(0, url.indexOf(":") + 1)];
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(content),
  };
  const request = client.request(url, { method: "POST", agent, headers, timeout: 10_000 });
  request.on("response", (response) => response.resume());
  request.on("error", (error) => console.error(`a reply was not delivered: ${error.message}`));
  request.end(content);
}

function slack(request, body) {
  if (!isGenuine(request.headers, body)) return 401;
  const form = body.toString("latin1");
  const text = field(form, "text");
  const url = field(form, "response_url");
  if (text === undefined || !url?.startsWith(`${origin}/`)) return 400;
  setTimeout(post, Number(delay) * 1000, url, text);
  return 200;
}

const server = http.createServer((request, response) => {
  const chunks = [];
  let length = 0;
  request.on("data", (chunk) => {
    length += chunk.length;
    if (length > CONTENT_BYTES_MAX) request.destroy();
    chunks.push(chunk);
  });
  request.on("end", () => {
    let status = 404;
    if (request.url === "/slack") {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      status = request.method === "POST" ? slack(request, body) : 405;
    }
    response.writeHead(status, { "Content-Length": 0 });
    response.end();
  });
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
const [host, port] = address.split(":");
server.listen({ host, port: Number(port), backlog: 4096 });
