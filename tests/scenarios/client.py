"""A client of the cluster while it is repaired: five requests a second through the load balancer, on two kinds of connection."""

from __future__ import annotations

import base64
import http.client
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from scenarios.runs import lab
from scenarios.story import Story

__all__ = ["CLIENT", "Tally", "served"]

CLIENT = "client.txt"  # what it came to, in the scenario's output
_PATH = "/api/v1/namespaces/shop/configmaps/storefront"
_PAUSE = 0.2  # seconds between two requests
_PATIENCE = 10  # seconds for one request


class Tally:
    """What the requests of one connection came to."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.sent = 0
        self.failed: list[str] = []

    def __str__(self) -> str:
        return f"{self.kind}: {self.sent} requests, {len(self.failed)} failed"


@contextmanager
def served(story: Story, wanted: bool) -> Iterator[list[Tally]]:
    """Ask all the while; what came of it, one for a connection that is kept and one for a new one each time."""
    tallies = [Tally("kept connection"), Tally("new connections")] if wanted else []
    if not wanted:
        yield tallies
        return
    config = yaml.safe_load(lab("kubectl", "--name", story.name, "config", "view", "--raw"))
    address = urlsplit(config["clusters"][0]["cluster"]["server"]).netloc
    done = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        context = _context(config, Path(folder))
        threads = [threading.Thread(target=_ask, args=(address, context, tally, done)) for tally in tallies]
        for thread in threads:
            thread.start()
        try:
            yield tallies
        finally:
            done.set()
            for thread in threads:
                thread.join()


def _context(config: dict[str, Any], folder: Path) -> ssl.SSLContext:
    user = config["users"][0]["user"]
    pem = folder / "client.pem"
    pem.touch(mode=0o600)
    pem.write_bytes(
        base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"])
    )
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(pem)
    return context


def _ask(address: str, context: ssl.SSLContext, tally: Tally, done: threading.Event) -> None:
    keep = tally.kind.startswith("kept")
    connection = http.client.HTTPSConnection(address, timeout=_PATIENCE, context=context)
    while not done.is_set():
        tally.sent += 1
        try:
            code = _get(connection, again=keep)
            if code != 200:
                tally.failed.append(f"{time.strftime('%H:%M:%S')} HTTP {code}")
        except (OSError, http.client.HTTPException) as error:
            tally.failed.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")
            connection.close()
        if not keep:
            connection.close()
        done.wait(_PAUSE)
    connection.close()


def _get(connection: http.client.HTTPSConnection, again: bool) -> int:
    """A kept connection may have been closed by the server while nothing was asked: every client asks once more then."""
    try:
        connection.request("GET", _PATH)
        answer = connection.getresponse()
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        if not again:
            raise
        connection.close()
        return _get(connection, again=False)
    answer.read()
    return answer.status
