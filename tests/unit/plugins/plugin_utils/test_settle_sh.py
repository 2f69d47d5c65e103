"""settle.sh against a small API server with real TLS: it verifies, logs in by client certificate, waits, writes the canary."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer

SHELLS = (["dash"], ["bash"], ["busybox", "sh"])
STEPS = Path(_steps.__file__).parent
NODES = ("m1", "w1")
MAPS = "/api/v1/namespaces/kube-system/configmaps"


@dataclass
class State:
    """What the small API server says, and what it was asked to change."""

    ready: bool = True
    ages: dict[str, float] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    writable: bool = True
    maps: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)  # namespace/name -> value, base64
    broken: str = ""  # why no secret can be listed
    conflicts: int = 0  # writes that somebody else comes before

    def lease(self, space: str, name: str) -> dict[str, Any]:
        renewed = datetime.now(timezone.utc) - timedelta(seconds=self.ages.get(name, 3))
        stamp = renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"metadata": {"name": name, "namespace": space}, "spec": {"holderIdentity": "x", "renewTime": stamp}}


class Handler(BaseHTTPRequestHandler):
    """The few paths that settle.sh asks."""

    state: ClassVar[State]

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/readyz":
            self._say(200 if self.state.ready else 500, "ok")
        elif not self.connection.getpeercert():
            self._say(401, '{"kind":"Status"}')
        elif path.startswith("/apis/coordination.k8s.io"):
            space = path.split("/")[5]
            names = NODES if space == "kube-node-lease" else ("kube-controller-manager", "kube-scheduler")
            self._json(200, {"kind": "LeaseList", "items": [self.state.lease(space, n) for n in names]})
        elif path == "/api/v1/nodes":
            rows = [{"cells": [n, self.state.statuses.get(n, "Ready"), "<none>"]} for n in NODES]
            self._json(200, {"kind": "Table", "rows": rows})
        elif path.startswith(MAPS) and path.rpartition("/")[2] in self.state.maps:
            self._json(200, {"kind": "ConfigMap", "data": {"run": self.state.maps[path.rpartition("/")[2]]}})
        elif path == "/api/v1/secrets" and self.state.broken:
            self._json(500, {"kind": "Status", "message": self.state.broken})
        elif path == "/api/v1/secrets":
            self._list(dict(parse_qsl(self.path.partition("?")[2])))
        elif self._secret() in self.state.secrets:
            self._json(200, {"kind": "Secret", "data": {"run": self.state.secrets[self._secret()]}})
        else:
            self._say(404, "{}")

    def _secret(self) -> str:
        """namespace/name of a path to one."""
        words = self.path.partition("?")[0].split("/")
        return f"{words[4]}/{words[6]}" if len(words) == 7 and words[5] == "secrets" else ""

    def _list(self, asked: dict[str, str]) -> None:
        names = sorted(self.state.secrets)
        start, limit = int(asked.get("continue", "0")), int(asked["limit"])
        items = [
            {"metadata": {"name": n}, "data": {"run": self.state.secrets[n]}} for n in names[start : start + limit]
        ]
        more = {"continue": str(start + limit)} if start + limit < len(names) else {}
        self.state.changes.append(f"LIST {len(items)}")
        self._json(200, {"kind": "SecretList", "metadata": {"resourceVersion": "7", **more}, "items": items})

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.state.conflicts:
            self.state.conflicts -= 1
            self._json(409, {"kind": "Status"})
            return
        self.state.changes.append(f"PUT {self._secret()} {body['data']['run']}")
        self._json(200, body)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["metadata"]["name"]
        self.state.changes.append(f"POST {name}")
        if not self.state.writable:
            self._json(500, {"kind": "Status", "message": "etcdserver: request timed out"})
        elif name in self.state.maps:
            self._json(409, {"kind": "Status"})
        elif body["kind"] == "Secret":
            self.state.secrets[f"kube-system/{name}"] = base64.b64encode(body["stringData"]["run"].encode()).decode()
            self._json(201, body)
        else:
            self.state.maps[name] = body["data"]["run"]
            self._json(201, body)

    def do_DELETE(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        self.state.changes.append(f"DELETE {name}")
        (self.state.secrets if self._secret() else self.state.maps).pop(self._secret() or name)
        self._json(200, {"kind": "Status"})

    def _json(self, code: int, body: Any) -> None:
        self._say(code, json.dumps(body, separators=(",", ":")))

    def _say(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def signed(name: str, ca: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None) -> tuple[bytes, bytes, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    built = x509.CertificateBuilder(subject_name=subject, issuer_name=ca[0].subject if ca else subject)
    built = built.public_key(key.public_key()).serial_number(x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    built = built.add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    cert = built.sign(ca[1] if ca else key, hashes.SHA256())
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return cert.public_bytes(serialization.Encoding.PEM), plain, (cert, key)


@dataclass
class Api:
    """The running server and the files to reach it with."""

    state: State
    port: int
    folder: Path

    def settle(
        self, argv: list[str], seconds: int = 0, ca: str = "ca.crt", leaders: bool = True, covered: str = ""
    ) -> Answer:
        return self.run(
            argv,
            "settle.sh",
            KR_ARG_SECONDS=str(seconds),
            KR_ARG_HEALTHZ="",
            KR_ARG_CA=str(self.folder / ca),
            KR_ARG_NODES="\n".join(NODES),
            KR_ARG_CANARY="kuberevive-canary-m1",
            KR_ARG_LEADERS="true" if leaders else "",
            KR_ARG_COVERED=covered,
            KR_ARG_PEERS=f"https://127.0.0.1:{self.port}",
        )

    def run(self, argv: list[str], script: str, **more: str) -> Answer:
        """A script that talks to this server as to its node's own."""
        values = {
            "KR_RUN": "run-7",
            "KR_STEP": "settle@m1",
            "KR_ARG_ADDRESS": "127.0.0.1",
            "KR_ARG_PORT": str(self.port),
            "KR_ARG_CA": str(self.folder / "ca.crt"),
            "KR_ARG_CONFS": f"{self.folder}/missing.conf\n{self.folder}/admin.conf",
            **more,
        }
        head = [f"{key}='{value}'" for key, value in values.items()]
        parts = [(STEPS / name).read_text(encoding="utf-8") for name in ("lib.sh", "api.sh", script)]
        text = "\n".join([*head, *parts, "echo @done"])
        ran = subprocess.run([*argv, "-s"], input=text, capture_output=True, text=True, check=False, timeout=60)
        return Answer(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A server that asks for, but does not insist on, a client certificate, as kube-apiserver does."""
    ca_pem, _, ca = signed("kubernetes", None)
    other_pem, _, _ = signed("another", None)
    server_pem, server_key, _ = signed("kube-apiserver", ca)
    admin_pem, admin_key, _ = signed("kubernetes-admin", ca)
    for name, content in (("ca.crt", ca_pem), ("other.crt", other_pem), ("server.pem", server_pem + server_key)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "admin.conf").write_text(
        f"users:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: {base64.b64encode(admin_pem).decode()}\n"
        f"    client-key-data: {base64.b64encode(admin_key).decode()}\n",
        encoding="utf-8",
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(tmp_path / "server.pem")
    state = State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Api(state, server.server_address[1], tmp_path)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_a_settled_cluster_is_told_at_once_and_the_canary_leaves_nothing(argv: list[str], api: Api) -> None:
    answer = api.settle(argv, seconds=30)
    assert (answer.done, answer.rest) == (True, [])
    assert answer.values.get("waits", "") == ""
    assert answer.values["canary"] == "ok"
    assert api.state.changes == ["POST kuberevive-canary-m1", "DELETE kuberevive-canary-m1"]
    assert api.state.maps == {}
    assert answer.changed is False


@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_what_is_still_waited_for_is_said(argv: list[str], api: Api) -> None:
    api.state.ages = {"kube-scheduler": 500, "w1": 90}
    answer = api.settle(argv)
    assert answer.values["waits"] == "these leases to be renewed: kube-system/kube-scheduler kube-node-lease/w1"
    api.state.ages = {}
    api.state.statuses = {"w1": "NotReady"}
    assert api.settle(argv).values["waits"] == "these nodes to say Ready: w1"
    api.state.ready = False
    assert api.settle(argv).values["waits"] == "its kube-apiserver to be ready (@code=500)"


@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_before_leaders_are_restarted_only_the_nodes_heartbeats_are_waited_for(argv: list[str], api: Api) -> None:
    api.state.ages = {"kube-scheduler": 500, "w1": 90}
    api.state.statuses = {"w1": "NotReady"}
    assert api.settle(argv, leaders=False).values["waits"] == "these leases to be renewed: kube-node-lease/w1"
    api.state.ages = {"kube-scheduler": 500}
    assert api.settle(argv, leaders=False).values.get("waits", "") == ""


def test_a_lease_that_moves_counts_although_clocks_differ(api: Api) -> None:
    api.state.ages = {"w1": 400}  # renewed at each look, by a clock that is behind
    assert api.settle(["dash"], seconds=20).values.get("waits", "") == ""


def test_a_left_over_canary_of_a_killed_run_is_replaced(api: Api) -> None:
    api.state.maps = {"kuberevive-canary-m1": "run-6"}
    assert api.settle(["dash"]).values["canary"] == "ok"
    assert api.state.maps == {}


def test_a_refused_write_is_told_in_the_servers_own_words(api: Api) -> None:
    api.state.writable = False
    said = api.settle(["dash"]).values["canary"]
    assert said.startswith("write of configmaps: HTTP 500 ")
    assert "etcdserver: request timed out" in said


def test_a_server_whose_certificate_does_not_verify_is_never_believed(api: Api) -> None:
    answer = api.settle(["dash"], ca="other.crt")
    assert "its kube-apiserver to be ready" in answer.values["waits"]
    assert "curl: (60)" in answer.values["waits"]
    assert answer.values["canary"].startswith("could not be tried")
    assert api.state.changes == []


@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_where_secrets_are_encrypted_all_are_read_and_one_is_written(argv: list[str], api: Api) -> None:
    api.state.secrets = {f"default/s{i:04}": "c2VjcmV0" for i in range(1200)}
    answer = api.settle(argv, covered="secrets")
    assert answer.values["canary"] == "ok"
    assert api.state.changes[2:5] == ["LIST 500", "LIST 500", "LIST 200"]
    assert api.state.changes[5:] == ["POST kuberevive-canary-m1", "DELETE kuberevive-canary-m1"]
    assert len(api.state.secrets) == 1200
    assert "c2VjcmV0" not in "".join(answer.rest)


def test_a_secret_that_cannot_be_read_is_told_in_the_servers_own_words(api: Api) -> None:
    api.state.broken = 'unable to transform key "/registry/secrets/a/b": invalid padding on input'
    said = api.settle(["dash"], covered="secrets").values["canary"]
    assert said.startswith("list of secrets: ")
    assert "/registry/secrets/a/b" in said


@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_records_are_written_again_as_they_are(argv: list[str], api: Api) -> None:
    api.state.secrets = {"default/a": "YQ==", "default/b": "Yg=="}
    api.state.conflicts = 2
    records = "secrets default a\nsecrets default b\nsecrets default gone\nthings.example.com default x"
    answer = api.run(argv, "encryption_rewrite.sh", KR_ARG_RECORDS=records)
    assert api.state.changes == ["PUT default/a YQ==", "PUT default/b Yg=="]
    assert answer.values["rewritten"] == "3"
    assert [line for line in answer.rest if line.startswith("f ")] == ["f default/x no API serves things.example.com"]
    api.state.conflicts = 9
    answer = api.run(argv, "encryption_rewrite.sh", KR_ARG_RECORDS="secrets default a")
    assert (answer.values["rewritten"], answer.rest) == ("0", ["f default/a @code=409 "])
