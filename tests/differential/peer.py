"""A peer of the differential test: h11, or gunicorn's parser.

    peer.py h11|gunicorn

It answers each request with one field, x-record, as record.wat does, and what the parser refuses with
its status and reason. An incomplete request is not answered. It prints "ready PORT VERSION" and ends
with its standard input.
"""

import importlib.metadata
import os
import socket
import sys
import threading

REASON_LENGTH = 200

# No bound of their own: those of heads are not what is compared.
MOST = 1 << 20


class Refused(Exception):
    """The parser will not have it: status and reason."""


class Incomplete(Exception):
    """The client ended in the middle of a request."""


def main():
    name = sys.argv[1]
    serve = {"h11": serve_h11, "gunicorn": serve_gunicorn}[name]
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print("ready", listener.getsockname()[1], importlib.metadata.version(name), flush=True)
    threading.Thread(target=accept, args=(listener, serve), daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


def accept(listener, serve):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=run, args=(connection, serve), daemon=True).start()


def run(connection, serve):
    with connection:
        try:
            try:
                serve(connection)
            except Incomplete:
                pass
            except Refused as refused:
                status, reason = refused.args
                reason = reason.encode("ascii", "backslashreplace")[:REASON_LENGTH] + b"\n"
                head = f"HTTP/1.1 {status} Refused\r\nconnection: close\r\ncontent-length: {len(reason)}\r\n\r\n"
                connection.sendall(head.encode() + reason)
            connection.shutdown(socket.SHUT_WR)
            # To its end, so that no reset takes the answer away.
            while connection.recv(65536):
                pass
        except OSError:
            pass  # the client is gone


def record(method, target, body, hosts):
    value = 0x811C9DC5
    for byte in body:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    host = b", ".join(hosts) or b"-"
    return b"%s %s %08x %08x %s" % (method, target, len(body), value, host)


def serve_h11(connection):
    import h11

    client = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST)
    ended = False
    request, body = None, b""
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError as error:
            if ended:
                raise Incomplete from error
            raise Refused(error.error_status_hint, f"h11: {error}") from error
        if event is h11.NEED_DATA:
            data = connection.recv(65536)
            ended = not data
            client.receive_data(data)
        elif isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            hosts = [value for name, value in request.headers if name == b"host"]
            said = record(request.method, request.target, body, hosts)
            headers = [("x-record", said), ("content-length", "0")]
            connection.sendall(client.send(h11.Response(status_code=200, headers=headers)))
            connection.sendall(client.send(h11.EndOfMessage()) or b"")
            if client.our_state is h11.MUST_CLOSE:
                return
            client.start_next_cycle()
        else:  # ConnectionClosed, or PAUSED behind an upgrade
            return


def serve_gunicorn(connection):
    from gunicorn.config import Config
    from gunicorn.http.errors import ChunkMissingTerminator, NoMoreData, ParseException
    from gunicorn.http.parser import RequestParser

    config = Config()
    config.set("limit_request_line", 0)  # none
    config.set("limit_request_field_size", MOST)
    try:
        for message in RequestParser(config, connection, ("127.0.0.1", 0)):
            length = getattr(message.body.reader, "length", 0)  # counted down by what is asked for
            body = message.body.read()
            if len(body) < length:
                raise Incomplete
            hosts = [value.encode("latin-1") for name, value in message.headers if name == "HOST"]
            said = record(message.method.encode(), message.uri.encode("latin-1"), body, hosts)
            close = b"connection: close\r\n" if message.should_close() else b""
            connection.sendall(b"HTTP/1.1 200 OK\r\n%scontent-length: 0\r\nx-record: %s\r\n\r\n" % (close, said))
    except (NoMoreData, StopIteration) as error:
        raise Incomplete from error
    except ChunkMissingTerminator as error:
        if len(error.term) < len(b"\r\n"):
            raise Incomplete from error
        raise Refused(400, f"ChunkMissingTerminator: {error}") from error
    except ParseException as error:
        names = [name for name, _ in getattr(getattr(error, "req", None), "headers", ())]
        repeated = " repeated" if names.count("CONTENT-LENGTH") > 1 else ""
        raise Refused(400, f"{type(error).__name__}{repeated}: {error}") from error


if __name__ == "__main__":
    main()
