"""The scenarios' client asks once more where Kubernetes wants that of a client, and nowhere else."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from scenarios.client import Tally, _get

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
ILL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"
CUT_OFF = b""


@contextmanager
def answering(answers: Sequence[bytes]) -> Iterator[http.client.HTTPConnection]:
    """A server that gives the next answer to each connection and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=5)
    try:
        yield connection
    finally:
        connection.close()
        thread.join(5)
        listener.close()


@pytest.mark.parametrize(
    ("answers", "code", "repeated"),
    [
        ([OK], 200, 0),
        ([CUT_OFF, OK], 200, 1),
        ([BUSY, OK], 200, 1),
        ([ILL], 503, 0),
        ([BUSY, BUSY], 503, 1),
    ],
    ids=["at once", "cut off", "told to ask again", "not told to", "told to twice"],
)
def test_it_asks_once_more(answers: Sequence[bytes], code: int, repeated: int) -> None:
    tally = Tally("new connections")
    with answering(answers) as connection:
        assert _get(connection, tally)[0] == code
    assert tally.repeated == repeated


@pytest.mark.parametrize(
    ("answers", "repeated"), [([CUT_OFF, CUT_OFF], 1), ([HALF], 0)], ids=["cut off twice", "half an answer"]
)
def test_it_does_not_go_on_asking(answers: Sequence[bytes], repeated: int) -> None:
    tally = Tally("new connections")
    with answering(answers) as connection, pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        _get(connection, tally)
    assert tally.repeated == repeated


def test_an_answer_that_is_reset_on_its_way_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def reset(answer: http.client.HTTPResponse) -> bytes:
        raise ConnectionResetError

    monkeypatch.setattr(http.client.HTTPResponse, "read", reset)
    tally = Tally("new connections")
    with answering([OK]) as connection, pytest.raises(ConnectionResetError):
        _get(connection, tally)
    assert tally.repeated == 0
