// Clients of Node.js: fetch and the module http.
//
//     node client.mjs fetch|http bulk URL BODY ANSWER     posts a file, writes the answer to another
//     node client.mjs fetch|http lockstep URL ROUNDS      sends a line, waits for its rot13, and so on
//     node client.mjs upgrade bulk|lockstep …             the same over a raw upgrade

import { readFile, writeFile } from "node:fs/promises";
import http from "node:http";

const [library, mode, url, ...rest] = process.argv.slice(2);

const line = (number) => `line ${number} of many\n`;
const rot13 = (text) =>
  text.replace(/[a-z]/gi, (c) => String.fromCharCode(c.charCodeAt(0) + (c.toLowerCase() < "n" ? 13 : -13)));

// Opens a full-duplex exchange: what to write to, and what to read from.
function open() {
  return new Promise((resolve, reject) => {
    const upgrade = library === "upgrade";
    const headers = upgrade ? { connection: "upgrade", upgrade: "wasmplex" } : {};
    const request = http.request(url, { method: upgrade ? "GET" : "POST", headers });
    request.on("error", reject);
    request.on("response", (response) =>
      response.statusCode === 200 ? resolve([request, response]) : reject(new Error(response.statusCode)));
    request.on("upgrade", (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve([socket, socket]);
    });
    if (upgrade) request.end();
    else request.flushHeaders();
  });
}

async function collect(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function bulk(body) {
  if (library === "fetch") {
    const response = await fetch(url, { method: "POST", body });
    if (response.status !== 200) throw new Error(response.status);
    return Buffer.from(await response.arrayBuffer());
  }
  const [to, from] = await open();
  to.end(body);
  return collect(from);
}

async function lockstep(rounds) {
  let from, send, end;
  if (library === "fetch") {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    send = (text) => void writer.write(new TextEncoder().encode(text));
    end = () => void writer.close();
    from = (await fetch(url, { method: "POST", body: readable, duplex: "half" })).body;
  } else {
    const [to, answer] = await open();
    [send, end, from] = [(text) => to.write(text), () => to.end(), answer];
  }
  const pieces = from[Symbol.asyncIterator]();
  for (let number = 0; number < rounds; number++) {
    send(line(number));
    let got = "";
    while (!got.endsWith("\n")) got += Buffer.from((await pieces.next()).value).toString();
    if (got !== rot13(line(number))) throw new Error(`round ${number}: ${got}`);
  }
  end();
  if (!(await pieces.next()).done) throw new Error("more than was sent");
}

if (mode === "bulk") await writeFile(rest[1], await bulk(await readFile(rest[0])));
else await lockstep(Number(rest[0]));
console.log("ok");
