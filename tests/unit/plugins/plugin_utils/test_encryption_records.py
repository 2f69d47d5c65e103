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
    Record,
    Tally,
    fits_by_padding,
    opens,
    read,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_union import Ledger

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


def whole(name: str, value: bytes) -> Record:
    """As encryption_scan.sh tells it of an encrypted one."""
    return read(name, value[:168], value[-36:])


def passing(own: bytes, other: bytes) -> bytes:
    """A record under the first key of which the padding passes under the other."""
    while True:
        value = written("aescbc", own)
        if fits_by_padding(whole(NAME, value), other):
            return value


def not_passing(own: bytes, *others: bytes) -> bytes:
    """A record that passes under none of the others."""
    while True:
        value = written("aescbc", own)
        if not any(fits_by_padding(whole(NAME, value), other) for other in others):
            return value


def test_one_look_tells_what_is_left_to_do_whichever_key_stays() -> None:
    a, b = secrets.token_bytes(32), secrets.token_bytes(32)
    ledger = Ledger({("aescbc", "a"): a, ("aescbc", "b"): b})
    ledger.add("secrets", [whole(f"/a{i}", not_passing(a, b)) for i in range(3)])
    ledger.add("secrets", [whole("/b0", not_passing(b, a)), whole("/b1", passing(b, a)), read("/plain", PLAIN)])
    ledger.add(
        "secrets", [whole("/gone", written("aescbc", secrets.token_bytes(32))), read("/cut", b"k8s:enc:aescbc:v1:")]
    )
    ledger.add("configmaps", [whole("/c0", not_passing(b, a))])
    assert ledger.opened == (
        Opened("secrets", "aescbc", "key1", "a", 3),
        Opened("secrets", "aescbc", "key1", "b", 2),
        Opened("configmaps", "aescbc", "key1", "b", 1),
    )
    keep_a, keep_b = ("aescbc", "key1", "a"), ("aescbc", "key1", "b")
    assert ledger.not_under(keep_a) == [("secrets", "/b0"), ("secrets", "/b1"), ("configmaps", "/c0")]
    assert [name for _, name in ledger.not_under(keep_b)] == ["/a0", "/a1", "/a2"]
    assert [(record.name, own) for record, own in ledger.accidents(keep_a)] == [("/b1", "b")]
    assert ledger.accidents(keep_b) == []  # what is under the key that stays is tried with it first
    assert len(ledger.not_under(("aescbc", "key2", "a"))) == 6  # the same key under another name is another prefix


def test_a_third_key_may_open_by_accident_as_well() -> None:
    keys = {("aescbc", name): secrets.token_bytes(32) for name in "abc"}
    a, b, c = keys.values()
    value = passing(c, b)
    while fits_by_padding(whole(NAME, value), a):
        value = passing(c, b)
    ledger = Ledger(keys)
    ledger.add("secrets", [whole("/a", not_passing(a, b, c)), whole("/c", value)])
    keep = ("aescbc", "key1", "a")
    assert ledger.accidents(keep) == []  # nothing was written with the third key: no union has it
    ledger.add("secrets", [whole("/b", not_passing(b, a, c))])
    assert [(record.name, own) for record, own in ledger.accidents(keep)] == [("/c", "c")]


@pytest.mark.parametrize("provider", ["aesgcm", "secretbox"])
def test_what_has_a_mac_opens_by_no_accident(provider: str) -> None:
    keys = {(provider, name): secrets.token_bytes(32) for name in "ab"}
    ledger = Ledger(keys)
    ledger.add("secrets", [whole(f"/{i}", written(provider, keys[provider, "b"])) for i in range(600)])
    assert ledger.accidents((provider, "key1", "a")) == []
    assert len(ledger.not_under((provider, "key1", "a"))) == 600


def test_a_record_is_never_shown_with_its_content() -> None:
    assert "body" not in repr(read(NAME, written("aescbc", secrets.token_bytes(32))))
