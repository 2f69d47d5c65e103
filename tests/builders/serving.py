"""Requests of kubelets for serving certificates, made as kubelet makes them or otherwise."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.requests import SIGNER, ServingRequest

NOW = dt.datetime(2026, 11, 20, 22, 0, tzinfo=dt.timezone.utc)
KEY = ec.generate_private_key(ec.SECP256R1())
OWN = (x509.DNSName("w1"), x509.IPAddress(ipaddress.ip_address("10.77.0.21")))
SUBJECT = ((NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:w1"))
USAGES = ("digital signature", "server auth")


def pem(
    names: tuple[x509.GeneralName, ...] = OWN,
    subject: tuple[tuple[x509.ObjectIdentifier, str], ...] = SUBJECT,
    key: Any = KEY,
    beside: tuple[x509.ExtensionType, ...] = (),
) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in beside:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def asked(text: str = "", minutes: float = 3, name: str = "csr-a", **changes: Any) -> ServingRequest:
    request = ServingRequest(
        name,
        "uid",
        "7",
        NOW - dt.timedelta(minutes=minutes),
        "system:node:w1",
        ("system:nodes", "system:authenticated"),
        USAGES,
        SIGNER,
        text or pem(),
    )
    return replace(request, **changes)
