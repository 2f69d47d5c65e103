"""Records as an apiserver writes them, and the keys that open them or do not."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from nacl.secret import SecretBox

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import Opened
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_records import (
    NEEDED,
    Tally,
    fits_by_padding,
    opens,
    read,
)

NAME = "/registry/secrets/default/one"
PLAIN = b"k8s\0\n\x0c\n\x02v1\x12\x06Secret\x12\x20" + b"x" * 60
JSON = b'{"apiVersion":"v1","kind":"Thing"}'


def written(provider: str, key: bytes, plain: bytes = PLAIN) -> bytes:
    """k8s.io/apiserver's own format."""
    if provider == "aescbc":
        iv = secrets.token_bytes(16)
        padder = PKCS7(128).padder()
        padded = padder.update(plain) + padder.finalize()
        body = iv + Cipher(AES(key), CBC(iv)).encryptor().update(padded)
    elif provider == "aesgcm":
        nonce = secrets.token_bytes(12)
        body = nonce + AESGCM(key).encrypt(nonce, plain, NAME.encode())
    else:
        body = bytes(SecretBox(key).encrypt(plain))
    return b"k8s:enc:%s:v1:key1:%s" % (provider.encode(), body)


@pytest.mark.parametrize("plain", [PLAIN, JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize("provider", ["aescbc", "aesgcm", "secretbox"])
def test_only_the_key_that_wrote_it_opens_a_record(provider: str, plain: bytes) -> None:
    key = secrets.token_bytes(32)
    record = read(NAME, written(provider, key, plain))
    assert (record.provider, record.key_name) == (provider, "key1")
    assert opens(record, key)
    assert not any(opens(record, secrets.token_bytes(32)) for _ in range(200))


@pytest.mark.parametrize("provider", sorted(NEEDED))
def test_the_first_block_is_enough_and_less_is_no_answer(provider: str) -> None:
    key = secrets.token_bytes(32)
    value = written(provider, key)
    start = len(b"k8s:enc::v1:key1:") + len(provider)
    assert opens(read(NAME, value[: start + NEEDED[provider]]), key)
    with pytest.raises(ValueError, match="not enough to tell"):
        opens(read(NAME, value[: start + NEEDED[provider] - 1]), key)


@pytest.mark.parametrize(
    ("value", "provider", "key_name"),
    [
        (PLAIN, "identity", ""),
        (JSON, "identity", ""),
        (b"k8s:enc:kms:v2:vault:\x0a\x20abc", "kms", "vault"),
        (b"k8s:enc:rot13:v1:key1:abc", "unknown", ""),
        (b"k8s:enc:aescbc", "unknown", ""),
        (b"\0\0\0\0", "unknown", ""),
        (b"", "unknown", ""),
    ],
)
def test_what_the_prefix_says(value: bytes, provider: str, key_name: str) -> None:
    record = read(NAME, value)
    assert (record.provider, record.key_name) == (provider, key_name)


def test_the_tally_counts_by_key_and_names_what_none_opens() -> None:
    keys = {name: secrets.token_bytes(32) for name in ("a", "b", "gone")}
    values = [written("aescbc", keys["a"])] * 3 + [written("aescbc", keys["b"])] * 2
    values += [
        written("aescbc", keys["gone"]),
        PLAIN,
        b"k8s:enc:kms:v1:vault:x",
        b"k8s:enc:kms:v2:vault:\x0a\x03xyz\x12\x02k7\x1a\x01d",
        b"junk",
        written("aescbc", keys["a"])[:30],
    ]
    found = Tally({("aescbc", "a"): keys["a"], ("aescbc", "b"): keys["b"], ("secretbox", "c"): keys["a"]})
    found.add("secrets", (read(f"/registry/secrets/default/{i}", value) for i, value in enumerate(values)))
    assert found.opened == (
        Opened("secrets", "aescbc", "key1", "a", 3),
        Opened("secrets", "aescbc", "key1", "b", 2),
    )
    assert found.others == (
        Opened("secrets", "identity", "", "", 1),
        Opened("secrets", "kms", "vault", "", 2),
    )
    assert found.kms == ("v1 vault: 1 records", "v2 vault key k7: 1 records")
    assert (found.closed_count, found.closed) == (1, ["/registry/secrets/default/5"])
    assert (found.odd_count, found.odd) == (2, ["/registry/secrets/default/9", "/registry/secrets/default/10"])


def test_a_wrong_key_passes_the_padding_of_aescbc_now_and_then_and_is_no_proof() -> None:
    right, wrong = secrets.token_bytes(32), secrets.token_bytes(32)
    values = [written("aescbc", right) for _ in range(4000)]
    records = [read(NAME, value[:200], value[-34:]) for value in values]
    assert all(fits_by_padding(record, right) for record in records)
    by_accident = sum(fits_by_padding(record, wrong) for record in records)
    assert 1 <= by_accident <= 60  # one in 255
    assert not any(opens(record, wrong) for record in records)
    with pytest.raises(ValueError, match="end was not read"):
        fits_by_padding(read(NAME, values[0]), right)


def test_a_record_is_never_shown_with_its_content() -> None:
    assert "body" not in repr(read(NAME, written("aescbc", secrets.token_bytes(32))))
