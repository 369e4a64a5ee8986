// A contender of the benchmark: full duplex by Node's http. The head leaves at once, and what a
// "data" event brings leaves before the next; the upload waits while the client does not read.

import { createServer } from "node:http";

// As many connections may wait to be accepted as the system allows.
const BACKLOG = 65_535;

const table = Uint8Array.from({ length: 256 }, (_, byte) => {
  const place = (byte | 32) - 97;
  if (place < 0 || place > 25) return byte;
  return place < 13 ? byte + 13 : byte - 13;
});

const server = createServer((request, response) => {
  response.writeHead(200, { "content-type": "application/octet-stream" });
  response.flushHeaders();
  request.on("data", (chunk) => {
    for (let i = 0; i < chunk.length; i++) chunk[i] = table[chunk[i]];
    if (!response.write(chunk)) {
      request.pause();
      response.once("drain", () => request.resume());
    }
  });
  request.on("end", () => response.end());
});

// Streams are open for as long as they like.
server.requestTimeout = 0;
server.headersTimeout = 0;
server.keepAliveTimeout = 75_000;
server.listen({ port: 0, host: "127.0.0.1", backlog: BACKLOG }, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
