"""Which requests for a serving certificate may be approved, and how they come from an API server."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.serving import KEY, NOW, OWN, SUBJECT, USAGES, asked, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.requests import (
    SIGNER,
    ServingRequest,
    read_request,
    read_requests,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.serving_request import (
    Expected,
    approval,
    newest_right,
    objection,
)

W1 = Expected("w1", ("w1", "w1.lab"), ("10.77.0.21", "fd00::21"))


@pytest.mark.parametrize(
    "request_",
    [
        asked(),
        asked(usages=(*USAGES, "key encipherment")),
        asked(pem(key=rsa.generate_private_key(65537, 2048))),
        asked(pem(key=ec.generate_private_key(ec.SECP384R1()))),
        asked(pem((*OWN, x509.DNSName("w1.lab"), x509.IPAddress(ipaddress.ip_address("fd00::21"))))),
        asked(pem((OWN[1],))),
        asked(pem(subject=(SUBJECT[1], SUBJECT[0]))),
    ],
    ids=["as kubelet asks", "key encipherment", "RSA", "P-384", "every name", "address only", "other order"],
)
def test_what_is_the_nodes_own_may_be_approved(request_: ServingRequest) -> None:
    assert objection(request_, W1) == ""


def _broken_signature() -> str:
    der = bytearray(base64.b64decode("".join(pem().splitlines()[1:-1])))
    der[-1] ^= 1
    text = base64.b64encode(bytes(der)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n"


def _address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def _challenge() -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in SUBJECT])
    )
    builder = builder.add_extension(x509.SubjectAlternativeName(OWN), critical=False)
    builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"word")
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


REFUSED: dict[str, tuple[ServingRequest, str]] = {
    "other signer": (asked(signer="kubernetes.io/kube-apiserver-client"), "it asks the signer"),
    "another node asked": (asked(username="system:node:w2"), "system:node:w2 asked"),
    "a person asked": (asked(username="kubernetes-admin"), "kubernetes-admin asked"),
    "not of the nodes": (asked(groups=("system:authenticated",)), "not of group system:nodes"),
    "client auth as well": (asked(usages=(*USAGES, "client auth")), "client auth"),
    "any usage": (asked(usages=("any", *USAGES)), "any"),
    "no server auth": (asked(usages=("digital signature",)), "it asks for the usages digital signature"),
    "no usage": (asked(usages=()), "none"),
    "subject of another": (asked(pem(subject=(SUBJECT[0], (NameOID.COMMON_NAME, "system:node:w2")))), "its subject"),
    "one more group": (asked(pem(subject=((NameOID.ORGANIZATION_NAME, "system:masters"), *SUBJECT))), "its subject"),
    "the group twice": (asked(pem(subject=(SUBJECT[0], *SUBJECT))), "its subject"),
    "no group": (asked(pem(subject=(SUBJECT[1],))), "its subject"),
    "unit in the subject": (
        asked(pem(subject=(*SUBJECT, (NameOID.ORGANIZATIONAL_UNIT_NAME, "x")))),
        "its subject",
    ),
    "name of another": (asked(pem((*OWN, x509.DNSName("kubernetes.default.svc")))), "'kubernetes.default.svc' is no"),
    "wildcard": (asked(pem((x509.DNSName("*"),))), "'*' is no name"),
    "other case": (asked(pem((x509.DNSName("W1"),))), "'W1' is no name"),
    "address of another": (asked(pem((*OWN, _address("10.96.0.1")))), "10.96.0.1 is no address"),
    "loopback": (asked(pem((*OWN, _address("127.0.0.1")))), "127.0.0.1 is no address"),
    "localhost": (asked(pem((*OWN, x509.DNSName("localhost")))), "'localhost' is no name"),
    "address as a name": (asked(pem((x509.DNSName("10.77.0.21"),))), "'10.77.0.21' is no name"),
    "mail": (asked(pem((*OWN, x509.RFC822Name("a@b")))), "neither a host nor an address"),
    "URI": (asked(pem((*OWN, x509.UniformResourceIdentifier("spiffe://x")))), "neither a host nor an address"),
    "no names": (asked(pem(())), "names no host"),
    "a CA": (asked(pem(beside=(x509.BasicConstraints(True, None),))), "an extension beside its names"),
    "no CA, but said": (asked(pem(beside=(x509.BasicConstraints(False, None),))), "an extension beside its names"),
    "extended usage": (
        asked(pem(beside=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),))),
        "an extension beside its names",
    ),
    "attribute": (asked(_challenge()), "an attribute"),
    "short RSA key": (asked(pem(key=rsa.generate_private_key(65537, 1024))), "1024 bits"),
    "DSA key": (asked(pem(key=dsa.generate_private_key(2048))), "of a kind"),
    "odd curve": (asked(pem(key=ec.generate_private_key(ec.SECP256K1()))), "secp256k1"),
    "not its own signature": (asked(_broken_signature()), "not signed by its own key"),
    "two requests": (asked(pem() + pem()), "does not hold one request"),
    "no request": (asked("word"), "does not hold one request"),
    "torn": (asked(pem()[:200] + "\n-----END CERTIFICATE REQUEST-----\n"), "cannot be read"),
}


@pytest.mark.parametrize(("request_", "words"), REFUSED.values(), ids=REFUSED)
def test_everything_else_is_left_alone(request_: ServingRequest, words: str) -> None:
    assert words in objection(request_, W1)


def test_the_newest_that_the_kubelet_still_waits_for_is_chosen() -> None:
    def chosen(*requests: ServingRequest, began: float = 10, seen: tuple[str, ...] = ()) -> str:
        found = newest_right(requests, W1, NOW - dt.timedelta(minutes=began), NOW, seen)
        return found.name if found else ""

    forged = asked(pem((x509.DNSName("api"),)), minutes=1, name="forged")
    old, new = asked(minutes=9, name="old"), asked(minutes=2, name="new")
    assert chosen(old, new, forged) == "new"
    assert chosen(old, forged) == "old"
    assert chosen(forged) == ""
    assert chosen(old, began=5) == ""  # of the kubelet before
    assert chosen(asked(minutes=14), began=60) == ""  # it has given up
    assert chosen(new, seen=("new",)) == ""
    assert chosen(asked(username="system:node:w2")) == ""


# What an API server tells

ITEM: dict[str, Any] = {
    "metadata": {
        "name": "csr-ln6vj",
        "generateName": "csr-",
        "uid": "46721e8a",
        "resourceVersion": "1814",
        "creationTimestamp": "2026-11-20T21:57:00Z",
        "annotations": {"a": "b"},
        "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:metadata": {"f:generateName": {}}}}],
    },
    "spec": {
        "request": base64.b64encode(pem().encode()).decode(),
        "signerName": SIGNER,
        "usages": list(USAGES),
        "username": "system:node:w1",
        "groups": ["system:nodes", "system:authenticated"],
        "extra": {"word": ['}{"metadata":{"name":"x', '"status":{}']},
    },
    "status": {},
}


def _item(name: str, at: str = "2026-11-20T21:57:00Z", user: str = "system:node:w1", **status: Any) -> dict[str, Any]:
    meta = {**ITEM["metadata"], "name": name, "creationTimestamp": at}
    return {**ITEM, "metadata": meta, "spec": {**ITEM["spec"], "username": user}, "status": status}


def _list(*items: dict[str, Any]) -> str:
    head = {"kind": "CertificateSigningRequestList", "apiVersion": "certificates.k8s.io/v1", "metadata": {}}
    return json.dumps({**head, "items": items}, separators=(",", ":")) + "\n@code=200\n"


@pytest.mark.parametrize("shell", [s for s in ("dash", "bash", "busybox sh") if shutil.which(s.split()[0])])
def test_the_node_sends_what_waits_and_the_controller_reads_it(shell: str) -> None:
    approved = _item("done", conditions=[{"type": "Approved"}])
    minutes = [_item(f"w1-{i}", f"2026-11-20T21:{i:02}:00Z") for i in (10, 50, 30, 20, 40)]
    text = _list(approved, *minutes, _item("other", user="system:node:w2"))
    api = (Path(__file__).parents[4] / "plugins/plugin_utils/_steps/api.sh").read_text()

    def run(text: str) -> str:
        argv = [*shell.split(), "-c", f"{api}\nkr_request_lines || :"]
        return subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout

    read = read_requests("@version=v1\n" + run(text))
    assert read is not None
    assert [r.name for r in read] == ["other", "w1-50", "w1-40", "w1-30"]
    assert objection(replace(read[1], name="x"), W1) == ""
    assert read_requests("@version=v1\n" + run(_list())) == ()
    gone = run('{"kind":"Status","code":404}\n@code=404\n')
    assert read_requests(f"@version=v1\n{gone}@version=v1beta1\n{run(text)}") is not None
    assert read_requests(f"@version=v1\n{gone}@version=v1beta1\n@code=403\n") is None
    assert read_requests("") is None


def test_what_is_approved_is_what_was_judged() -> None:
    line = json.dumps(ITEM, separators=(",", ":")) + "]}"
    request = read_request(line, "v1")
    assert request is not None
    assert (request.version, request.uid, objection(request, W1)) == ("1814", "46721e8a", "")
    sent = approval(line, "v1", "run-1")
    assert sent["apiVersion"] == "certificates.k8s.io/v1"
    assert {**sent["metadata"], "managedFields": ITEM["metadata"]["managedFields"]} == ITEM["metadata"]
    assert sent["spec"] == ITEM["spec"]
    assert [c["type"] for c in sent["status"]["conditions"]] == ["Approved"]
    assert read_request(json.dumps(_item("x", conditions=[{"type": "Denied"}])), "v1") is None
    assert read_request('{"metadata":{}', "v1") is None
