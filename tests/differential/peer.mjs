// A peer of the differential test: Node's http, whose parser is llhttp.
//
// It answers each request with one field, x-record, as record.wat does, and what its parser refuses
// with 400 and the parser's reason. An incomplete request is not answered. It prints
// "ready PORT VERSION" and ends with its standard input.
import { createServer } from "node:http";

// No bound of its own: those of heads are not what is compared.
const MAX_HEADER_SIZE = 1 << 20;

const server = createServer({ maxHeaderSize: MAX_HEADER_SIZE }, (request, response) => {
  let hash = 0x811c9dc5;
  let length = 0;
  const { socket } = request;
  socket.exchanges ??= new Set();
  socket.exchanges.add(request);
  request.on("error", () => {}); // told by clientError
  request.on("data", (piece) => {
    length += piece.length;
    for (const byte of piece) hash = Math.imul(hash ^ byte, 0x01000193);
  });
  request.on("end", () => {
    const hosts = request.headersDistinct.host;
    const host = hosts?.join(", ") || "-";
    const hex = (number) => (number >>> 0).toString(16).padStart(8, "0");
    response.setHeader("x-record", `${request.method} ${request.url} ${hex(length)} ${hex(hash)} ${host}`);
    response.setHeader("content-length", "0");
    response.end();
  });
  response.on("finish", () => {
    socket.exchanges.delete(request);
    refuse(socket);
  });
});

// A client that has sent all it has is still to get its answers.
server.httpAllowHalfOpen = true;

server.on("clientError", (error, socket) => {
  socket.on("error", () => {});
  socket.fault ??= error;
  refuse(socket);
});

// Once the requests before the bad one are answered: the parser runs ahead of them.
function refuse(socket) {
  const error = socket.fault;
  const unanswered = [...(socket.exchanges ?? [])].some((request) => request.complete);
  if (!error || unanswered || !socket.writable) return;
  if (error.code === "HPE_INVALID_EOF_STATE") {
    socket.end();
    return;
  }
  const reason = `${error.code} ${error.reason ?? error.message}\n`;
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: ${reason.length}\r\n\r\n${reason}`,
  );
  socket.resume(); // read to its end, so that no reset takes the answer away
}

server.listen(0, "127.0.0.1", () => console.log("ready", server.address().port, process.versions.node));
process.stdin.on("end", () => process.exit(0)).resume();
