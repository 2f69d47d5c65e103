"""Which key opens which record of etcd: proof by the records' own first block. Pure; a key is bytes that no caller prints.

Formats: k8s.io/apiserver, pkg/storage/value/encrypt (aes, secretbox, envelope). Plain text begins with "k8s\\0" (protobuf) or
"{" (JSON) and text, so a key that yields either opens the record: one of 4 billion wrong keys does so by accident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

__all__ = ["NEEDED", "Record", "Tally", "opens", "read", "tally"]

_MARK = b"k8s:enc:"
_PROTOBUF = b"k8s\0"
_BLOCK = 16
# Bytes of a value that are enough to tell; secretbox has no block of its own: its whole value is needed.
NEEDED = {"aescbc": 2 * _BLOCK, "aesgcm": 12 + _BLOCK}


@dataclass(frozen=True)
class Record:
    """One value of etcd, as much of it as was read."""

    name: str  # its key in etcd
    provider: str  # aescbc | aesgcm | secretbox | kms | identity (plain text) | unknown
    key_name: str = ""  # as the prefix says it; of kms the plugin's name
    body: bytes = field(default=b"", repr=False)


def read(name: str, value: bytes) -> Record:
    """What the value's prefix says."""
    if value.startswith((_PROTOBUF, b"{")):
        return Record(name, "identity")
    if not value.startswith(_MARK):
        return Record(name, "unknown")
    parts = value[len(_MARK) :].split(b":", 3)
    if len(parts) != 4:
        return Record(name, "unknown")
    provider, _version, key_name, body = parts
    known = provider.decode("ascii", errors="replace")
    if known not in ("aescbc", "aesgcm", "secretbox", "kms"):
        return Record(name, "unknown")
    return Record(name, known, key_name.decode("utf-8", errors="replace"), body)


def opens(record: Record, key: bytes) -> bool:
    """Whether this key opens it. Raises ValueError where the record is cut off or the key has a wrong length."""
    body = record.body
    if record.provider == "secretbox":
        try:
            SecretBox(key).decrypt(body)
        except CryptoError:
            return False
        return True
    if len(body) < NEEDED[record.provider]:
        raise ValueError(f"{record.name}: {len(body)} bytes are not enough to tell")
    if record.provider == "aescbc":
        iv, first = body[:_BLOCK], body[_BLOCK : 2 * _BLOCK]
        inner = Cipher(AES(key), ECB()).decryptor().update(first)  # noqa: S305  # one block: CBC is ECB and the IV
        plain = bytes(a ^ b for a, b in zip(inner, iv, strict=True))
    else:
        # GCM's first block is counter mode with counter 2; the tag stands at the end of the value, which is not read.
        plain = Cipher(AES(key), CTR(body[:12] + b"\0\0\0\2")).decryptor().update(body[12 : 12 + _BLOCK])
    return plain.startswith(_PROTOBUF) or _json(plain)


def _json(plain: bytes) -> bool:
    """Custom resources are stored as JSON; its first block is text."""
    return plain.startswith(b'{"') and all(32 <= byte < 127 for byte in plain)


@dataclass(frozen=True)
class Tally:
    """Counts, and the names of what no key opens."""

    opened: Mapping[str, int]  # fingerprint -> records that this key opens
    plain: int = 0
    kms: Mapping[str, int] = field(default_factory=dict)  # plugin -> records
    closed: tuple[str, ...] = ()  # no key opens them
    odd: tuple[str, ...] = ()  # of an unknown format, or cut off

    @property
    def encrypted(self) -> int:
        """Records that some key should open."""
        return sum(self.opened.values()) + len(self.closed)


def tally(records: Iterable[Record], keys: Mapping[tuple[str, str], bytes]) -> Tally:
    """keys: (provider, fingerprint) -> key. The key's name is not asked: two keys of one name are the very fault."""
    opened: dict[str, int] = {fingerprint: 0 for _, fingerprint in keys}
    kms: dict[str, int] = {}
    plain, closed, odd = 0, [], []
    for record in records:
        if record.provider == "identity":
            plain += 1
        elif record.provider == "kms":
            kms[record.key_name] = kms.get(record.key_name, 0) + 1
        elif record.provider == "unknown":
            odd.append(record.name)
        else:
            try:
                fits = [f for (kind, f), key in keys.items() if kind == record.provider and opens(record, key)]
            except ValueError:
                odd.append(record.name)
                continue
            for fingerprint in fits[:1]:
                opened[fingerprint] += 1
            if not fits:
                closed.append(record.name)
    return Tally(opened, plain, kms, tuple(closed), tuple(odd))
