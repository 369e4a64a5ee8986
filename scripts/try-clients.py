#!/usr/bin/env python3
"""Tries the clients and proxies that are on this machine on rot13, and prints the tables of docs/clients.md.

    scripts/try-clients.py [--host target/release/wasmplex] [--size 1MiB,128MiB] [--only NAME] [--timeout 120]

Two questions for each: does a body of that size come back right (clients that send all of it before they
read anything need the host's spool for large ones), and do lines come back one by one while the upload is
open. What is not installed is left out, and said so. Libraries are those of the Python that runs this.
"""

import argparse
import filecmp
import http.server
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.path.join(REPOSITORY, "tests", "clients")
ROUNDS = 50
LOCKSTEP_TIMEOUT = 10

NGINX = """
daemon off; master_process off; user root; worker_processes 1; pid %(folder)s/nginx.pid;
error_log %(folder)s/nginx.log;
events { }
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
    map $http_upgrade $upgrade { default upgrade; "" ""; }
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $upgrade;
    server { listen 127.0.0.1:%(tcp_on)d; location / { proxy_pass http://127.0.0.1:%(http)d; } }
    server { listen 127.0.0.1:%(unix_on)d; location / { proxy_pass http://unix:%(unix)s:; } }
    server { listen 127.0.0.1:%(tcp_off)d; location / {
        proxy_pass http://127.0.0.1:%(http)d; proxy_buffering off; proxy_request_buffering off; } }
    server { listen 127.0.0.1:%(unix_off)d; location / {
        proxy_pass http://unix:%(unix)s:; proxy_buffering off; proxy_request_buffering off; } }
}
"""

HAPROXY = """
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend http
    bind 127.0.0.1:%(http_on)d
    http-request del-header expect
    default_backend http
backend http
    server one 127.0.0.1:%(http)d
frontend tcp
    mode tcp
    bind 127.0.0.1:%(tcp_on)d
    default_backend tcp
backend tcp
    mode tcp
    server one 127.0.0.1:%(http)d
"""


class Server:
    """`wasmplex serve` with rot13 on all kinds of listeners."""

    def __init__(self, host, folder):
        plugins = os.path.join(folder, "plugins")
        os.mkdir(plugins)
        shutil.copy(os.path.join(REPOSITORY, "plugins/rot13/rot13.wat"), plugins)
        # So that a page of another origin may read the answer.
        with open(os.path.join(plugins, "rot13.json"), "w", encoding="utf-8") as manifest:
            manifest.write('{"response": {"access-control-allow-origin": "*"}}')
        self.unix = os.path.join(folder, "http.sock")
        self.raw_unix = os.path.join(folder, "raw.sock")
        self.log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [host, "serve", "--plugins", plugins, "--listen", "127.0.0.1:0", "--listen", f"unix:{self.unix}"]
            + ["--tcp", "127.0.0.1:0=rot13", "--tcp", f"unix:{self.raw_unix}=rot13", "--cache", "off"],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        lines = [self.process.stdout.readline() for _ in range(4)]
        self.http = int(lines[0].rsplit(":", 1)[1])
        self.tcp = int(re.search(r":(\d+) for", lines[2])[1])
        self.url = f"http://127.0.0.1:{self.http}/rot13"

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Page(http.server.BaseHTTPRequestHandler):
    """Serves the page for browsers, and takes its report."""

    reports = queue.Queue()

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        with open(os.path.join(PROGRAMS, "fetch.html"), "rb") as page:
            self.wfile.write(page.read())

    def do_POST(self):
        self.reports.put(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def browser(program, url, size, folder, timeout):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    query = urllib.parse.urlencode({"target": url, "size": size})
    page = f"http://127.0.0.1:{server.server_port}/?{query}"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/browser"]
    process = subprocess.Popen([program, *flags, page], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return Page.reports.get(timeout=timeout)
    except queue.Empty:
        return "no answer"
    finally:
        process.terminate()
        process.wait()
        server.shutdown()


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def nginx(folder, server):
    """Starts nginx before the server; returns it and its ports by name."""
    names = ["tcp_on", "unix_on", "tcp_off", "unix_off"]
    ports = dict(zip(names, free_ports(len(names))))
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(NGINX % {"folder": folder, "http": server.http, "unix": server.unix, **ports})
    process = subprocess.Popen(["nginx", "-c", path, "-e", f"{folder}/nginx.log"], stderr=subprocess.DEVNULL)
    return process, ports


def haproxy(folder, server):
    """Starts HAProxy before the server; returns it and its ports by name."""
    ports = dict(zip(["http_on", "tcp_on"], free_ports(2)))
    path = os.path.join(folder, "haproxy.cfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(HAPROXY % {"http": server.http, **ports})
    return subprocess.Popen(["haproxy", "-db", "-f", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), ports


def version(command):
    """The first number with a dot in what a program says of its version."""
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found and said.returncode == 0 else None


def clients(server, folder):
    """Name, version, command for a body ({body} and {answer} are files), command in lock step."""
    url, program = server.url, lambda name: os.path.join(PROGRAMS, name)
    curl = version(["curl", "--version"])
    yield "curl --data-binary", curl, f"curl -sSf --data-binary @{{body}} -o {{answer}} {url}", None
    yield "curl -T FILE", curl, f"curl -sSf -T {{body}} -o {{answer}} {url}", None
    yield "curl -T . (chunked)", curl, f"curl -sSfN -T . -o {{answer}} {url} < {{body}}", f"curl -sSfN -T . {url}"
    yield "curl --http1.0", curl, f"curl -sSf0 -T {{body}} -o {{answer}} {url}", None
    unix = f"--unix-socket {server.unix} http://localhost/rot13"
    yield "curl, Unix socket", curl, f"curl -sSf -T {{body}} -o {{answer}} {unix}", f"curl -sSfN -T . {unix}"
    for library in ["http.client", "urllib", "requests", "httpx", "aiohttp"]:
        module = library.replace("urllib", "urllib.request")
        shown = f"import {module}, platform; print(getattr({library.split('.')[0]}, '__version__', platform.python_version()))"
        command = f"{sys.executable} {program('client.py')} {library}"
        number = version([sys.executable, "-c", shown])
        yield f"Python {library}", number, f"{command} bulk {url} {{body}} {{answer}}", f"{command} lockstep {url} {ROUNDS}"
    node = version(["node", "--version"])
    for library in ["http", "fetch", "upgrade"]:
        command = f"node {program('client.mjs')} {library}"
        yield f"Node {library}", node, f"{command} bulk {url} {{body}} {{answer}}", f"{command} lockstep {url} {ROUNDS}"
    go, binary = version(["go", "version"]), os.path.join(folder, "client-go")
    if go:
        subprocess.run(["go", "build", "-o", binary, program("client.go")], check=True)
    for library in ["http", "upgrade"]:
        command = f"{binary} {library}"
        yield f"Go net/http, {library}", go, f"{command} bulk {url} {{body}} {{answer}}", f"{command} lockstep {url} {ROUNDS}"
    java = version(["java", "-version"])
    for library in ["HttpClient", "HttpURLConnection"]:
        command = f"java {program('Client.java')} {library}"
        yield f"Java {library}", java, f"{command} bulk {url} {{body}} {{answer}}", f"{command} lockstep {url} {ROUNDS}"
    nc = "openbsd" if shutil.which("nc") and "OpenBSD" in subprocess.run(["nc", "-h"], capture_output=True, text=True, check=False).stderr else None
    yield "nc -N", nc, f"nc -N 127.0.0.1 {server.tcp} < {{body}} > {{answer}}", f"nc -N 127.0.0.1 {server.tcp}"
    yield "nc -NU", nc, f"nc -NU {server.raw_unix} < {{body}} > {{answer}}", f"nc -NU {server.raw_unix}"
    socat = version(["socat", "-V"])
    yield "socat TCP", socat, f"socat -t 600 - TCP:127.0.0.1:{server.tcp} < {{body}} > {{answer}}", f"socat - TCP:127.0.0.1:{server.tcp}"
    yield "socat UNIX", socat, f"socat -t 600 - UNIX:{server.raw_unix} < {{body}} > {{answer}}", f"socat - UNIX:{server.raw_unix}"


def behind(proxy, number, ports):
    """curl and raw upgrades through a proxy, as `clients`."""
    upgrade = f"node {os.path.join(PROGRAMS, 'client.mjs')} upgrade"
    requests = f"{sys.executable} {os.path.join(PROGRAMS, 'client.py')} http.client"
    words = {"tcp_on": "TCP, buffering on", "unix_on": "Unix socket, buffering on"}
    words |= {"tcp_off": "TCP, buffering off", "unix_off": "Unix socket, buffering off"}
    if proxy == "HAProxy":
        words = {"http_on": "mode http", "tcp_on": "mode tcp"}
    for name, port in ports.items():
        url, where = f"http://127.0.0.1:{port}/rot13", f"{proxy}, {words[name]}"
        yield f"{where}", number, f"curl -sSf -T {{body}} -o {{answer}} {url}", f"curl -sSfN -H Expect: -T . {url}"
        yield f"{where}, http.client", number, f"{requests} bulk {url} {{body}} {{answer}}", f"{requests} lockstep {url} {ROUNDS}"
        yield f"{where}, upgrade", number, f"{upgrade} bulk {url} {{body}} {{answer}}", f"{upgrade} lockstep {url} {ROUNDS}"


def write_bodies(folder, size):
    """A body of letters and its rot13."""
    body, expected = os.path.join(folder, f"body-{size}"), os.path.join(folder, f"expected-{size}")
    turned = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"nopqrstuvwxyzabcdefghijklm")
    with open(body, "wb") as plain, open(expected, "wb") as other:
        for start in range(0, size, 1 << 20):
            block = (b"%012d abcdefghijklmnopqrstuvwxyz the quick brown fox\n" % start) * (1 << 15)
            block = block[: min(1 << 20, size - start)]
            plain.write(block)
            other.write(block.translate(turned))
    return body, expected


def bulk(command, body, expected, answer, timeout):
    """Whether a body comes back right, in words."""
    command = command.format(body=body, answer=answer)
    process = subprocess.Popen(command, shell=True, start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _, said = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"hangs ({timeout} s)"
    if process.returncode != 0:
        return f"fails: {said.strip().splitlines()[-1][:90] if said.strip() else process.returncode}"
    return "ok" if filecmp.cmp(answer, expected, shallow=False) else "wrong answer"


def lockstep(command):
    """Whether lines come back one by one: a program that says "ok", or one between our two pipes."""
    has_rounds = command.endswith(f" {ROUNDS}")
    process = subprocess.Popen(command, shell=True, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    timer = threading.Timer(LOCKSTEP_TIMEOUT, lambda: os.killpg(process.pid, signal.SIGKILL))
    timer.start()
    try:
        if has_rounds:
            return "yes" if process.communicate()[0].strip() == b"ok" else "no"
        for number in range(ROUNDS):
            process.stdin.write(b"line %d\n" % number)
            process.stdin.flush()
            if process.stdout.readline() != b"yvar %d\n" % number:
                return "no"
        process.stdin.close()
        return "yes" if process.stdout.read() == b"" and process.wait() == 0 else "no clean end"
    except BrokenPipeError:
        return "no"
    finally:
        timer.cancel()
        process.wait()


def size_of(text):
    number, unit = re.fullmatch(r"(\d+)(KiB|MiB)", text).groups()
    return int(number) << (10 if unit == "KiB" else 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default=os.path.join(REPOSITORY, "target/release/wasmplex"))
    parser.add_argument("--size", default="1MiB,128MiB", help="sizes of bodies, comma separated")
    parser.add_argument("--only", default="", help="only what has this in its name")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for a body")
    options = parser.parse_args()
    sizes = options.size.split(",")
    with tempfile.TemporaryDirectory(prefix="clients-") as folder:
        server, proxies = Server(options.host, folder), []
        rows = list(clients(server, folder))
        try:
            for name, start, asked in [("nginx", nginx, ["nginx", "-v"]), ("HAProxy", haproxy, ["haproxy", "-v"])]:
                number = version(asked)
                if number is None:
                    print(f"left out, not here: {name}", file=sys.stderr)
                    continue
                proxy, ports = start(folder, server)
                proxies.append(proxy)
                rows += behind(name, number, ports)
            bodies = {size: write_bodies(folder, size_of(size)) for size in sizes}
            print(f"| client | version | {' | '.join(sizes)} | line by line |")
            print(f"| --- | --- | {' | '.join('---' for _ in sizes)} | --- |", flush=True)
            for name, number, command, dialogue in rows:
                if options.only not in name:
                    continue
                if number is None:
                    print(f"left out, not here: {name}", file=sys.stderr)
                    continue
                said = [bulk(command, *bodies[size], f"{folder}/answer", options.timeout) for size in sizes]
                live = lockstep(dialogue) if dialogue else "–"
                print(f"| {name} | {number} | {' | '.join(said)} | {live} |", flush=True)
            chromium = shutil.which("chromium")
            if chromium and options.only in "Chromium fetch":
                said = [browser(chromium, server.url, size_of(size), folder, options.timeout) for size in sizes]
                print(f"| Chromium fetch | {version(['chromium', '--version'])} | {' | '.join(said)} | – |")
        finally:
            for proxy in proxies:
                proxy.terminate()
                proxy.wait()
            server.stop()


main()
