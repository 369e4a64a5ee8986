"""Clients of Python: its library, and what people install.

    client.py LIBRARY bulk URL BODY ANSWER     posts a file, writes the answer to another
    client.py LIBRARY lockstep URL ROUNDS      sends a line, waits for its rot13, and so on; says "ok"

LIBRARY: http.client, urllib, requests, httpx, aiohttp.
"""

import asyncio
import codecs
import http.client
import sys
import urllib.parse
import urllib.request


def line(number):
    return b"line %d of many\n" % number


def rot13(data):
    return codecs.encode(data.decode(), "rot13").encode()


def with_http_client(url, body):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("POST", parts.path, body)
    return connection.getresponse().read()


def with_urllib(url, body):
    return urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).read()


def with_requests(url, body):
    import requests

    return requests.post(url, data=body).content


def with_httpx(url, body):
    import httpx

    return httpx.post(url, content=body, timeout=None).content


def with_aiohttp(url, body):
    import aiohttp

    async def post():
        async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
            return await response.read()

    return asyncio.run(post())


def lockstep_http_client(url, rounds):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.putrequest("POST", parts.path)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    response = connection.getresponse()
    for number in range(rounds):
        data = line(number)
        connection.send(b"%x\r\n%s\r\n" % (len(data), data))
        assert response.readline() == rot13(data)
    connection.send(b"0\r\n\r\n")
    assert response.read() == b""


def lockstep_aiohttp(url, rounds):
    import aiohttp

    async def talk():
        lines = asyncio.Queue()
        # The head leaves with the first piece of the body.
        lines.put_nowait(line(0))

        async def body():
            while (data := await lines.get()) is not None:
                yield data

        async with aiohttp.ClientSession() as session, session.post(url, data=body()) as response:
            for number in range(rounds):
                assert await response.content.readline() == rot13(line(number))
                lines.put_nowait(line(number + 1) if number + 1 < rounds else None)
            assert await response.read() == b""

    asyncio.run(talk())


def lockstep_of(post):
    """The library wants the whole body before it returns anything: this can only wait for ever."""

    def talk(url, rounds):
        import threading

        answered = threading.Event()

        def body():
            yield line(0)
            answered.wait()

        post(url, body())

    return talk


BULK = {
    "http.client": with_http_client,
    "urllib": with_urllib,
    "requests": with_requests,
    "httpx": with_httpx,
    "aiohttp": with_aiohttp,
}
LOCKSTEP = {
    "http.client": lockstep_http_client,
    "aiohttp": lockstep_aiohttp,
    "requests": lockstep_of(with_requests),
    "httpx": lockstep_of(with_httpx),
    "urllib": lockstep_of(with_urllib),
}


def main():
    library, mode, url, *rest = sys.argv[1:]
    if mode == "bulk":
        with open(rest[0], "rb") as file:
            body = file.read()
        answer = BULK[library](url, body)
        with open(rest[1], "wb") as file:
            file.write(answer)
    else:
        LOCKSTEP[library](url, int(rest[0]))
    print("ok")


main()
