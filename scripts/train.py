#!/usr/bin/env python3
"""Puts a wasmplex command under the loads that it is built for, and checks every byte of every answer.

    scripts/train.py COMMAND

scripts/dist.sh runs it with a command that counts what runs where, and builds the one for operators from
that: what runs often lies together, what never runs out of the way. So all that is to be fast must occur
here: short requests, live pieces, bulk, pipes, every kind of plugin and every way in, compiling, access
lines. Nothing but Python's library is needed; with `openssl`, TLS takes part.
"""

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLUGINS = {
    "rot13": "plugins/rot13/rot13.wat",
    "command": "host/benches/duplex/plugins/command.wat",
    "component": "host/benches/duplex/plugins/component.wat",
}
# Nothing here takes so long; a command that is stuck must not keep a build waiting.
PATIENCE = 60
# How often it is asked, in that time, whether a plugin is there.
LOOKS = 1_000
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ROT13 = bytes.maketrans(ALPHABET, b"NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm")
TEXT = bytes(range(256)) * 256
# What a browser sends, more or less.
FIELDS = "\r\n".join(
    [
        "host: localhost:8080",
        "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "accept-language: en-GB,en;q=0.9,de;q=0.8",
        "accept-encoding: gzip, deflate, br, zstd",
        "cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
        "referer: https://localhost:8080/",
        "",
    ]
)


class Client:
    """One connection, blocking, with a deadline for each wait."""

    def __init__(self, place, context=None):
        if isinstance(place, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(place)
        else:
            self.socket = socket.create_connection(place, PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(part.encode() if isinstance(part, str) else part for part in parts))

    def more(self):
        read = self.socket.recv(128 * 1024)
        if not read:
            raise EOFError(f"the answer ends early: {self.received[-200:]!r}")
        self.received += read

    def until(self, end):
        while end not in self.received:
            self.more()
        found, self.received = self.received.split(end, 1)
        return found

    def exactly(self, length):
        parts = [self.received]
        missing = length - len(self.received)
        while missing > 0:
            parts.append(self.socket.recv(min(missing, 1024 * 1024)))
            missing -= len(parts[-1])
            if not parts[-1]:
                raise EOFError(f"{missing} bytes are missing")
        everything = b"".join(parts)
        self.received = everything[length:]
        return everything[:length]

    def head(self, status=200):
        head = self.until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 %d " % status):
            raise ValueError(f"{status} was expected: {head!r}")
        return head

    def wire_chunk(self):
        payload = self.exactly(int(self.until(b"\r\n"), 16))
        self.exactly(2)
        return payload

    def payload(self, length):
        """So much of a chunked body."""
        parts = []
        while length > 0:
            parts.append(self.wire_chunk())
            length -= len(parts[-1])
        return b"".join(parts)

    def body(self):
        """The rest of a chunked body."""
        parts = [self.wire_chunk()]
        while parts[-1]:
            parts.append(self.wire_chunk())
        return b"".join(parts)


def chunk(payload):
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def same(found, sent):
    if found != sent.translate(ROT13):
        raise ValueError(f"a wrong answer to {sent[:80]!r}: {found[:80]!r}")


def at_once(count, work):
    """Runs `work(index)` on so many threads; the first failure is raised."""
    failures = []

    def run(index):
        try:
            work(index)
        except Exception as failure:  # raised below, by the thread that waits
            failures.append(failure)

    threads = [threading.Thread(target=run, args=[index], daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
        if thread.is_alive():
            raise TimeoutError("a load does not end")
    if failures:
        raise failures[0]


def short(connect, route, connections, requests, fields="host: a\r\n"):
    """Requests one after the other, a new instance each."""

    def work(index):
        with connect() as client:
            for request in range(requests):
                body = TEXT[(index + request) % 192 :][:64]
                if request % 4:
                    client.send(f"POST /{route} HTTP/1.1\r\n{fields}content-length: 64\r\n\r\n", body)
                else:
                    client.send(f"POST /{route} HTTP/1.1\r\n{fields}transfer-encoding: chunked\r\n\r\n", chunk(body), "0\r\n\r\n")
                client.head()
                same(client.body(), body)

    at_once(connections, work)


def single(connect, route, requests):
    """A connection for each request, and what ends it."""
    for request in range(requests):
        body = TEXT[request % 192 :][:64]
        with connect() as client:
            client.send(f"POST /{route} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 64\r\n\r\n", body)
            client.head()
            same(client.body(), body)


def ping_pong(connect, route, streams, rounds, size):
    """A piece on each stream, and the next when all are back."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect()) for _ in range(streams)]
        for client in clients:
            client.send(f"POST /{route} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            client.head()
        for turn in range(rounds):
            piece = TEXT[turn % 192 :][:size]
            for client in clients:
                client.send(chunk(piece))
            # An odd number of rot13s is one of them.
            for client in clients:
                same(client.payload(size), piece)
        for client in clients:
            client.send("0\r\n\r\n")
            client.body()


def bulk(connect, route, size, total):
    """As fast as it goes, both ways at once."""
    payload = TEXT[: 64 * 1024]
    wire = b"".join(chunk(payload[start : start + size]) for start in range(0, len(payload), size))
    blocks = total // len(payload)
    with connect() as client:
        client.send(f"POST /{route} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        client.head()
        if isinstance(client.socket, ssl.SSLSocket):
            # Two threads must not use one of these at once: a block after the other.
            for _ in range(blocks):
                client.send(wire)
                same(client.payload(len(payload)), payload)
            client.send("0\r\n\r\n")
            client.body()
            return

        def send():
            for _ in range(blocks):
                client.send(wire)
            client.send("0\r\n\r\n")

        def receive():
            same(client.body(), payload * blocks)

        at_once(2, lambda index: (send, receive)[index]())


def raw(connect, pieces):
    """The bytes as they are."""
    with connect() as client:
        for turn in range(pieces):
            piece = TEXT[turn % 192 :][: 64 if turn % 8 else 16 * 1024]
            client.send(piece)
            same(client.exactly(len(piece)), piece)


def upgraded(connect, pieces):
    with connect() as client:
        client.send("GET /rot13 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: wasmplex\r\n\r\n")
        client.head(101)
        for turn in range(pieces):
            piece = TEXT[turn % 192 :][:64]
            client.send(piece)
            same(client.exactly(64), piece)


def websocket(connect, messages):
    """RFC 6455: short messages and longer ones, masked as a client's must be."""
    key = base64.b64encode(b"sixteen bytes ok").decode()
    with connect() as client:
        upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        client.send(f"GET /rot13 HTTP/1.1\r\nhost: a\r\n{upgrade}sec-websocket-key: {key}\r\n\r\n")
        client.head(101)
        mask = b"\x01\x02\x03\x04"
        for turn in range(messages):
            message = TEXT[turn % 64 :][: 64 if turn % 4 else 4096]
            masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(message))
            length = bytes([0x80 | 64]) if len(message) == 64 else b"\xfe\x10\x00"
            client.send(b"\x82", length, mask, masked)
            found = b""
            while len(found) < len(message):
                size = client.exactly(2)[1] & 0x7F
                found += client.exactly(int.from_bytes(client.exactly(2), "big") if size == 126 else size)
            same(found, message)


def odd(connect, times):
    """What is neither usual nor rare."""
    for _ in range(times):
        with connect() as client:
            client.send(f"GET /rot13 HTTP/1.1\r\n{FIELDS}\r\n")
            client.head()
            client.body()
            client.send(f"HEAD /rot13 HTTP/1.1\r\n{FIELDS}\r\n")
            client.head()
            client.send(f"POST /rot13 HTTP/1.1\r\n{FIELDS}content-length: 5\r\nexpect: 100-continue\r\n\r\n")
            client.head(100)
            client.send("hello")
            client.head()
            same(client.body(), b"hello")
            client.send("GET /nobody HTTP/1.1\r\nhost: a\r\n\r\n")
            client.exactly(int(re.search(rb"content-length: (\d+)", client.head(404))[1]))
            # Two at once.
            client.send(2 * "POST /rot13 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab")
            for _ in range(2):
                client.head()
                same(client.body(), b"ab")
            client.send("GET / HTTP/9\r\n\r\n")
            client.until(b"\r\n\r\n")


def large_module(functions):
    """Text of a module that takes a moment to compile."""
    step = "(local.set 2 (i32.add (i32.mul (local.get 2) (i32.load8_u (local.get 0))) (i32.rotl (local.get 1) (i32.const 7))))"
    one = f"(func (param i32 i32) (result i32) (local i32) (loop {4 * step} (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (local.get 1)))) (if (i32.and (local.get 2) (i32.const 1)) (then {step})) (local.get 2))"
    with open(os.path.join(TOP, PLUGINS["rot13"])) as file:
        text = file.read().rstrip()
    return text[: text.rindex(")")] + functions * one + ")"


def serve(command, folder):
    """Starts the host with every way in; returns the process and its places by name."""
    for name, path in PLUGINS.items():
        shutil.copy(os.path.join(TOP, path), os.path.join(folder, name + ".wat"))
    unix = os.path.join(os.path.dirname(folder), "socket")
    flags = ["--listen", "http://127.0.0.1:0", "--tcp", "127.0.0.1:0=rot13", "--admin", "127.0.0.1:0"]
    flags += ["--listen", "unix:" + unix, "--cache", "off"]
    pair = [os.path.join(os.path.dirname(folder), name) for name in ("certificate.pem", "key.pem")]
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    request += ["-subj", "/CN=localhost", "-out", pair[0], "-keyout", pair[1]]
    if shutil.which("openssl"):
        subprocess.run(request, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        flags += ["--listen", "https://127.0.0.1:0", "--tls-cert", pair[0], "--tls-key", pair[1]]
    else:
        print("train: no openssl: without TLS", file=sys.stderr)
    host = subprocess.Popen(
        [command, "serve", "--plugins", folder, *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    alarm = threading.Timer(PATIENCE, host.kill)
    alarm.start()
    places = {"unix": unix}
    for line in host.stdout:
        found = re.match(r"(listening|admin) on (\w+)://127\.0\.0\.1:(\d+)", line)
        if found:
            name = "admin" if found[1] == "admin" else found[2]
            places[name] = ("127.0.0.1", int(found[3]))
        if found and found[1] == "admin":
            break
    alarm.cancel()
    if "admin" not in places:
        host.kill()
        raise RuntimeError(f"{command} did not get ready (it ended with {host.wait()})")
    return host, places


def train(places, folder):
    insecure = ssl._create_unverified_context()  # noqa: S323 (the certificate was made a moment ago)
    ways = [lambda: Client(places["http"]), lambda: Client(places["unix"])]
    if "https" in places:
        ways.append(lambda: Client(places["https"], insecure))
    http = ways[0]
    short(http, "rot13", 8, 1_500)
    short(http, "rot13", 4, 500, FIELDS)
    for name in ("command", "component"):
        short(http, name, 8, 400)
        ping_pong(http, name, 16, 150, 64)
        bulk(http, name, 64 * 1024, 32 * 1024 * 1024)
    single(http, "rot13", 1_500)
    ping_pong(http, "rot13", 32, 500, 64)
    ping_pong(http, "rot13", 32, 100, 4096)
    ping_pong(http, "rot13+rot13+rot13", 16, 150, 64)
    for size in (64 * 1024, 4 * 1024, 512):
        bulk(http, "rot13", size, 64 * 1024 * 1024)
    bulk(http, "rot13+rot13+rot13", 16 * 1024, 32 * 1024 * 1024)
    for way in ways[1:]:
        short(way, "rot13", 4, 500)
        single(way, "rot13", 150)
        ping_pong(way, "rot13", 16, 150, 64)
        bulk(way, "rot13", 16 * 1024, 32 * 1024 * 1024)
    raw(lambda: Client(places["tcp"]), 2_000)
    for way in ways:
        upgraded(way, 500)
        websocket(way, 500)
        odd(way, 50)
    with open(os.path.join(folder, "large.wat"), "w") as file:
        file.write(large_module(1_000))
    status = b""
    for _ in range(LOOKS):
        with http() as client:
            client.send("POST /large HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na")
            status = client.until(b"\r\n\r\n").split(b" ", 2)[1]
            if status == b"200":
                same(client.body(), b"a")
                break
        time.sleep(PATIENCE / LOOKS)
    if status != b"200":
        raise RuntimeError("a plugin was not loaded")
    with Client(places["admin"]) as client:
        client.send("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
        client.head()


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="wasmplex-train-") as top:
        folder = os.path.join(top, "plugins")
        os.mkdir(folder)
        host, places = serve(sys.argv[1], folder)
        try:
            train(places, folder)
            host.send_signal(signal.SIGTERM)
            status = host.wait(PATIENCE)
        finally:
            host.kill()
            host.wait()
    if status != 0:
        sys.exit(f"train: {sys.argv[1]} ended with {status}")


if __name__ == "__main__":
    main()
