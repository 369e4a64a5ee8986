"""Sends a line to /rot13 and reads its rot13 before it sends the next one.

    lockstep.py http_client|socket PORT ROUNDS
"""

import codecs
import http.client
import socket
import sys

TIMEOUT = 20


def line(number):
    return b"line %d of many\n" % number


def rot13(data):
    return codecs.encode(data.decode(), "rot13").encode()


def with_http_client(port, rounds):
    """http.client reads the response after the head of the request is out."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.putrequest("POST", "/rot13")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 200, response.status
    for number in range(rounds):
        data = line(number)
        connection.send(b"%x\r\n%s\r\n" % (len(data), data))
        got = response.readline()
        assert got == rot13(data), (number, got)
    connection.send(b"0\r\n\r\n")
    assert response.read() == b""


def with_socket(port, rounds):
    """A raw socket with a Content-Length; the answer's chunks are taken apart by hand."""
    total = sum(len(line(number)) for number in range(rounds))
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer = connection.makefile("rb")
    head = "POST /rot13 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    connection.sendall((head % total).encode())
    status = answer.readline()
    assert status.startswith(b"HTTP/1.1 200 "), status
    while answer.readline() != b"\r\n":
        pass
    for number in range(rounds):
        data = line(number)
        connection.sendall(data)
        got = b""
        while len(got) < len(data):
            size = int(answer.readline(), 16)
            assert size > 0, "the answer ended early"
            got += answer.read(size)
            assert answer.readline() == b"\r\n"
        assert got == rot13(data), (number, got)
    assert answer.readline() == b"0\r\n"
    assert answer.readline() == b"\r\n"


def main():
    way, port, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    {"http_client": with_http_client, "socket": with_socket}[way](port, rounds)
    print("ok", rounds)


main()
