#!/usr/bin/env python3
"""Measures what plugins of different languages cost, and prints the table of docs/languages.md.

    scripts/measure-languages.py [--host target/release/wasmplex] [--rounds 3] PLUGIN.wasm ...

Each plugin is served alone, first with an empty cache of compiled code and then with a full one. What
the host says of itself (the admin listener) is the time to load it, to make an instance, and of a
call with 64 bytes; the processor time of the process gives the cost of a byte in bulk, and its
resident memory that of an open exchange. Rounds go through all plugins in turn, and medians are
printed: other work on the machine should not favour one of them. Nothing but Python's library is needed.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request

ROUND_TRIPS = 2_000
REQUESTS = 200
OPEN = 50
PIECE = b"The quick brown fox jumps over the lazy dog, and the dog is idle\n"[:64]
BULK_PIECE = PIECE * 1_024
BULK = {"fast": 64 * 1024 * 1024, "slow": 8 * 1024 * 1024}
READY_SECONDS = 300


class Host:
    """A running host with one plugin."""

    def __init__(self, binary, plugin, cache):
        self.folder = tempfile.mkdtemp(prefix="wasmplex-measure-")
        self.name = os.path.splitext(os.path.basename(plugin))[0]
        shutil.copy(plugin, os.path.join(self.folder, self.name + ".wasm"))
        command = [binary, "serve", "--plugins", self.folder, "--listen", "127.0.0.1:0"]
        command += ["--admin", "127.0.0.1:0", "--access-log", "off", "--cache", cache]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        alarm = threading.Timer(READY_SECONDS, self.process.kill)
        alarm.start()
        ports = {}
        for line in self.process.stdout:
            found = re.search(r"^(\w+).* on http://127\.0\.0\.1:(\d+)", line)
            if found:
                ports[found[1]] = int(found[2])
            if "listening" in ports and len(ports) == 2:
                break
        alarm.cancel()
        if len(ports) != 2:
            sys.exit(f"the host with {plugin} did not get ready")
        self.port = ports.pop("listening")
        self.admin = next(iter(ports.values()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=30) as answer:
            return answer.read().decode()

    def plugin(self):
        return next(entry for entry in json.loads(self.ask("/plugins"))["plugins"] if entry["name"] == self.name)

    def mean(self, metric):
        """Sum and count of a histogram of this plugin."""
        total = {"sum": 0.0, "count": 0.0}
        for line in self.ask("/metrics").splitlines():
            found = re.match(rf"wasmplex_{metric}_(sum|count)\{{.*\}} (\S+)", line)
            if found:
                total[found[1]] += float(found[2])
        return total

    def cpu(self):
        """Processor time of all threads, in seconds."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        """Resident memory in KiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def open(self):
        """A connection with an open exchange whose head has come."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST /{self.name} HTTP/1.1\r\nHost: measure\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        receive(connection, lambda bytes: b"\r\n\r\n" in bytes)
        return connection


def receive(connection, enough):
    got = b""
    while not enough(got):
        more = connection.recv(65_536)
        if not more:
            sys.exit("the host closed the connection")
        got += more
    return got


def frame(payload):
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def ping_pong(host):
    """The mean wall time of a call with 64 bytes, in seconds."""
    with host.open() as connection:
        message = frame(PIECE)
        before = host.mean("call_seconds")
        for _ in range(ROUND_TRIPS):
            connection.sendall(message)
            receive(connection, lambda bytes: len(bytes) >= len(message))
        after = host.mean("call_seconds")
        connection.sendall(b"0\r\n\r\n")
        receive(connection, lambda bytes: bytes.endswith(b"0\r\n\r\n"))
    return (after["sum"] - before["sum"]) / (after["count"] - before["count"])


def short_requests(host):
    """The mean time to make an instance, in seconds."""
    body = b"hello"
    request = f"POST /{host.name} HTTP/1.1\r\nHost: measure\r\nContent-Length: {len(body)}\r\n\r\n"
    before = host.mean("instance_start_seconds")
    with socket.create_connection(("127.0.0.1", host.port), timeout=60) as connection:
        for _ in range(REQUESTS):
            connection.sendall(request.encode() + body)
            receive(connection, lambda bytes: bytes.endswith(b"0\r\n\r\n"))
    after = host.mean("instance_start_seconds")
    return (after["sum"] - before["sum"]) / (after["count"] - before["count"])


def bulk(host, size):
    """Processor time of the host for a byte, in seconds."""
    with host.open() as connection:
        message, sent = frame(BULK_PIECE), 0
        done = threading.Event()

        def drain():
            tail = b""
            while not tail.endswith(b"0\r\n\r\n"):
                more = connection.recv(262_144)
                if not more:
                    return
                tail = (tail + more)[-5:]
            done.set()

        reader = threading.Thread(target=drain, daemon=True)
        before = host.cpu()
        reader.start()
        while sent < size:
            connection.sendall(message)
            sent += len(BULK_PIECE)
        connection.sendall(b"0\r\n\r\n")
        if not done.wait(120):
            sys.exit(f"{host.name}: the answer did not come to its end")
    return (host.cpu() - before) / sent


def idle(host):
    """Resident memory of an open exchange that has had one piece, in KiB."""
    before = host.resident()
    connections = []
    for _ in range(OPEN):
        connection = host.open()
        connection.sendall(frame(PIECE))
        receive(connection, lambda bytes: len(bytes) >= len(frame(PIECE)))
        connections.append(connection)
    after = host.resident()
    for connection in connections:
        connection.close()
    return (after - before) / OPEN


def measure(binary, plugin):
    cache = tempfile.mkdtemp(prefix="wasmplex-measure-cache-")
    try:
        with Host(binary, plugin, cache) as host:
            compile_ms = host.plugin()["load_ms"]
        with Host(binary, plugin, cache) as host:
            shown = host.plugin()
            memory = idle(host)
            call = ping_pong(host)
            # Interpreters take seconds for what compiled code does in hundredths.
            size = BULK["fast" if call < 10e-6 else "slow"]
            figures = {
                "size": os.path.getsize(plugin) / 1024,
                "compile": compile_ms,
                "load": shown["load_ms"],
                "start": short_requests(host) * 1e6,
                "call": call * 1e6,
                "bulk": bulk(host, size) * 1e9,
                "idle": memory,
            }
            return shown["kind"], figures
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def shown(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("plugins", nargs="+")
    parser.add_argument("--host", default="target/release/wasmplex")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    kinds, rows = {}, {plugin: [] for plugin in options.plugins}
    for number in range(options.rounds):
        for plugin in options.plugins:
            print(f"round {number + 1}: {plugin}", file=sys.stderr)
            kinds[plugin], figures = measure(options.host, plugin)
            rows[plugin].append(figures)
    print("| plugin | kind | size, KiB | compile, ms | load again, ms | instance, µs | call, µs | bulk, ns/byte | open exchange, KiB |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for plugin, figures in rows.items():
        name = os.path.splitext(os.path.basename(plugin))[0]
        medians = [shown(statistics.median(row[key] for row in figures)) for key in figures[0]]
        print(f"| {name} | {kinds[plugin]} | " + " | ".join(medians) + " |")


if __name__ == "__main__":
    main()
