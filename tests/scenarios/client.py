"""A client of the cluster while it is repaired: five requests a second through the load balancer, on two kinds of connection.

It does what Kubernetes asks of a client, and client-go does for each of them: a question that was cut off before its answer
began is asked once more, and so is one that was answered "ask again after …" (429 or 503 with Retry-After). An API server that
ends cuts off what waits to be accepted at that moment, whoever ends it. How often a question was asked twice is told.

While certificates are renewed one more asks whether every node is Ready, and in the end etcd is asked how often it has elected a
leader meanwhile; elsewhere the fault itself may have been felt by nodes.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from scenarios.nodes import ask
from scenarios.runs import lab
from scenarios.story import Story

__all__ = ["CLIENT", "Tally", "keep", "served"]

CLIENT = "client.txt"  # what it came to, in the scenario's output
_PATH = "/api/v1/namespaces/shop/configmaps/storefront"
_NODES = "/api/v1/nodes"
_STATUS = """cd /etc/kubernetes/pki/etcd
curl -sf -m 10 --cacert ca.crt --cert server.crt --key server.key -d '{}' https://127.0.0.1:2379/v3/maintenance/status"""
_PAUSE = 0.2  # seconds between two requests
_CUT_OFF = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
_FEW = 0.01  # of new connections: an API server that ends cuts off at most what comes in within some hundredths of a second
_PATIENCE = 30  # seconds for one request: up to two labs share two cores; how long the slowest took is told


Wrong = Callable[[bytes], str]


class Tally:
    """What the requests of one connection came to."""

    def __init__(self, kind: str, path: str = _PATH, keep: bool = True, wrong: Wrong = lambda body: "") -> None:
        self.kind = kind
        self.path = path
        self.keep = keep
        self.wrong = wrong  # what of an answer's body counts as failed
        self.sent = 0
        self.repeated = 0  # of the requests sent: asked twice
        self.slowest = 0.0  # seconds
        self.failed: list[str] = []

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.sent} requests, {len(self.failed)} failed, {self.repeated} asked twice, "
            f"the slowest took {self.slowest:.1f} s"
        )


@contextmanager
def served(story: Story, wanted: bool) -> Iterator[list[Tally]]:
    """Ask all the while; what came of it, one for a connection that is kept and one for a new one each time."""
    if not wanted:
        yield []
        return
    tallies = [Tally("kept connection"), Tally("new connections", keep=False)]
    if story.renews:
        tallies.append(Tally("nodes Ready", _NODES, wrong=_not_ready))
    config = yaml.safe_load(lab("kubectl", "--name", story.name, "config", "view", "--raw"))
    address = urlsplit(config["clusters"][0]["cluster"]["server"]).netloc
    done = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        context = _context(config, Path(folder))
        term = _term(story) if story.renews else 0
        threads = [threading.Thread(target=_ask, args=(address, context, tally, done)) for tally in tallies]
        for thread in threads:
            thread.start()
        try:
            yield tallies
        finally:
            done.set()
            for thread in threads:
                thread.join()
        if story.renews:
            tallies.append(_elections(_term(story) - term))


def keep(story: Story, name: str, tallies: list[Tally]) -> None:
    """Leave in that file what it came to; ends the phase where a request failed, none was sent, or many were cut off."""
    (story.out / name).write_text("".join(f"{tally}\n" for tally in tallies), encoding="utf-8")
    few = 0 if story.renews else _FEW  # a renewal ends no API server: each takes its new certificates up by itself
    for tally in tallies:
        if tally.failed or not tally.sent:
            raise SystemExit(f"scenario {story.name}: requests failed: {tally}\n" + "\n".join(tally.failed[:20]))
        if not tally.keep and tally.repeated > few * tally.sent:
            raise SystemExit(f"scenario {story.name}: too many requests were cut off: {tally}")


def _not_ready(body: bytes) -> str:
    names = [
        item["metadata"]["name"]
        for item in json.loads(body)["items"]
        if {"type": "Ready", "status": "True"}
        not in [{k: c[k] for k in ("type", "status")} for c in item["status"]["conditions"]]
    ]
    return f"not Ready: {', '.join(names)}" if names else ""


def _term(story: Story) -> int:
    """Of etcd: one more for each election."""
    return int(json.loads(ask(story, story.masters[0], _STATUS))["raftTerm"])


def _elections(count: int) -> Tally:
    tally = Tally("etcd's leader stayed, or changed once")
    tally.sent = 1
    if count > 1:
        tally.failed.append(f"there were {count} elections")
    return tally


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
    connection = http.client.HTTPSConnection(address, timeout=_PATIENCE, context=context)
    while not done.is_set():
        tally.sent += 1
        began = time.monotonic()
        try:
            code, body = _get(connection, tally)
            wrong = f"HTTP {code}" if code != 200 else tally.wrong(body)
            if wrong:
                tally.failed.append(f"{time.strftime('%H:%M:%S')} {wrong}")
        except (OSError, http.client.HTTPException, ValueError) as error:  # what cannot be read is a ValueError
            tally.failed.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")
            connection.close()
        tally.slowest = max(tally.slowest, time.monotonic() - began)
        if not tally.keep:
            connection.close()
        done.wait(_PAUSE)
    connection.close()


def _get(connection: http.client.HTTPConnection, tally: Tally) -> tuple[int, bytes]:
    try:
        answer = _answer(connection, tally.path)
        after = answer.getheader("Retry-After") if answer.status in (429, 503) else None
    except _CUT_OFF:
        after = "0"
    if after is not None:
        tally.repeated += 1
        connection.close()
        time.sleep(int(after))
        answer = _answer(connection, tally.path)
    return answer.status, answer.read()


def _answer(connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
    """Its beginning; the body has not been read."""
    connection.request("GET", path)
    return connection.getresponse()
