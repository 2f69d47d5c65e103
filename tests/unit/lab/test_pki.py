"""Expired copies of certificates: the same in all but their dates."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from kr_lab.host import LabError
from kr_lab.pki import expire_text

ENDED = datetime(2026, 1, 2, 3, 4, 5)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_PEM = CA_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def certificate(issuer: str = "kubernetes") -> x509.Certificate:
    names = [x509.DNSName("m1"), x509.DNSName("api.lab.internal")]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(7)
        .not_valid_before(ENDED - timedelta(days=1))
        .not_valid_after(ENDED + timedelta(days=364))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(CA_KEY, hashes.SHA256())
    )


def pem(one: x509.Certificate) -> str:
    return one.public_bytes(serialization.Encoding.PEM).decode()


def check_same_but_ended(old: x509.Certificate, new: x509.Certificate) -> None:
    assert new.not_valid_after_utc.replace(tzinfo=None) == ENDED
    assert new.not_valid_before_utc < new.not_valid_after_utc
    assert new.subject == old.subject
    assert new.issuer == old.issuer
    assert new.public_key() == old.public_key()
    assert list(new.extensions) == list(old.extensions)
    CA_KEY.public_key().verify(new.signature, new.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))


def test_a_pem_keeps_names_key_and_extensions() -> None:
    old = certificate()
    new = expire_text(pem(old), {"kubernetes": CA_PEM}, ENDED)
    check_same_but_ended(old, x509.load_pem_x509_certificate(new.encode()))


def test_the_key_beside_a_kubelets_certificate_stays() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nnot read\n-----END EC PRIVATE KEY-----\n"
    new = expire_text(pem(certificate()) + key, {"kubernetes": CA_PEM}, ENDED)
    assert new.endswith(key)
    assert new.count("BEGIN CERTIFICATE") == 1


def test_a_kubeconfig_keeps_everything_else() -> None:
    old = certificate()
    user = {"client-certificate-data": base64.b64encode(pem(old).encode()).decode(), "client-key-data": "a2V5"}
    config = {"apiVersion": "v1", "users": [{"name": "admin", "user": user}]}
    new = yaml.safe_load(expire_text(yaml.safe_dump(config, width=100000), {"kubernetes": CA_PEM}, ENDED))
    data = new["users"][0]["user"].pop("client-certificate-data")
    check_same_but_ended(old, x509.load_pem_x509_certificate(base64.b64decode(data)))
    assert new["users"][0]["user"] == {"client-key-data": "a2V5"}


def test_a_foreign_issuer_is_named() -> None:
    with pytest.raises(LabError, match="no CA 'somebody'"):
        expire_text(pem(certificate("somebody")), {"kubernetes": CA_PEM}, ENDED)


def test_a_file_without_a_certificate_is_refused() -> None:
    with pytest.raises(LabError, match="neither a certificate nor a kubeconfig"):
        expire_text("", {"kubernetes": CA_PEM}, ENDED)
