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

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import Opened

__all__ = ["NEEDED", "Record", "Tally", "fits_by_padding", "opener", "opens", "read"]

_MARK = b"k8s:enc:"
_PROTOBUF = b"k8s\0"
_BLOCK = 16
_NONCE = 24
# Bytes of a value behind its prefix that are enough to tell.
NEEDED = {"aescbc": 2 * _BLOCK, "aesgcm": 12 + _BLOCK, "secretbox": _NONCE + _BLOCK + _BLOCK}
_TOLD = 50  # names that are kept; the counts are of all


@dataclass(frozen=True)
class Record:
    """One value of etcd, as much of it as was read."""

    name: str  # its key in etcd
    provider: str  # aescbc | aesgcm | secretbox | kms | identity (plain text) | unknown
    key_name: str = ""  # as the prefix says it; of kms the plugin's name
    version: str = ""  # of the provider's format
    body: bytes = field(default=b"", repr=False)
    tail: bytes = field(default=b"", repr=False)  # its last bytes, two blocks at least; empty: not read


def read(name: str, value: bytes, tail: bytes = b"") -> Record:
    """What the value's prefix says."""
    if value.startswith((_PROTOBUF, b"{")):
        return Record(name, "identity")
    if not value.startswith(_MARK):
        return Record(name, "unknown")
    parts = value[len(_MARK) :].split(b":", 3)
    if len(parts) != 4:
        return Record(name, "unknown")
    provider, version, key_name, body = parts
    known = provider.decode("ascii", errors="replace")
    if known not in (*NEEDED, "kms"):
        return Record(name, "unknown")
    told = key_name.decode("utf-8", errors="replace")
    return Record(name, known, told, version.decode("ascii", errors="replace"), body, tail)


def opens(record: Record, key: bytes) -> bool:
    """Whether this key opens it. Raises ValueError where the record is cut off or the key has a wrong length."""
    body = record.body
    if len(body) < NEEDED[record.provider]:
        raise ValueError(f"{record.name}: {len(body)} bytes are not enough to tell")
    if record.provider == "secretbox":
        stream = _secretbox(key, body[:_NONCE])
        start = _NONCE + _BLOCK
        plain = _xor(body[start : start + _BLOCK], stream[start:])
    elif record.provider == "aescbc":
        plain = _xor(_decrypt_block(key, body[_BLOCK : 2 * _BLOCK]), body[:_BLOCK])
    else:
        # GCM's first block is counter mode with counter 2; the tag stands at the end of the value, which is not read.
        plain = Cipher(AES(key), CTR(body[:12] + b"\0\0\0\2")).decryptor().update(body[12 : 12 + _BLOCK])
    return plain.startswith(_PROTOBUF) or _json(plain)


def opener(record: Record, keys: Mapping[tuple[str, str], bytes]) -> str:
    """Fingerprint of the first of the keys, (provider, fingerprint) -> key, that opens it, or empty. Raises ValueError as opens does."""
    return next((print_ for (kind, print_), key in keys.items() if kind == record.provider and opens(record, key)), "")


def fits_by_padding(record: Record, key: bytes) -> bool:
    """Whether an apiserver takes this key for the right one: AES-CBC has no MAC, one wrong key in 255 ends in valid padding."""
    if record.provider != "aescbc":
        return opens(record, key)
    if len(record.tail) < 2 * _BLOCK:
        raise ValueError(f"{record.name}: its end was not read")
    last = _xor(_decrypt_block(key, record.tail[-_BLOCK:]), record.tail[-2 * _BLOCK : -_BLOCK])
    size = last[-1]
    return 0 < size <= _BLOCK and last.endswith(bytes([size]) * size)


def _secretbox(key: bytes, nonce: bytes) -> bytes:
    """Nonce, authenticator and the first block of the key stream: what encrypting nothing but zeros gives."""
    try:
        from nacl.secret import SecretBox  # noqa: PLC0415  # only clusters with secretbox need it
    except ImportError:
        raise RuntimeError(
            "Python's PyNaCl is not on this machine, which secretbox needs: pip install PyNaCl"
        ) from None
    return bytes(SecretBox(key).encrypt(bytes(_BLOCK), nonce))


def _decrypt_block(key: bytes, block: bytes) -> bytes:
    return Cipher(AES(key), ECB()).decryptor().update(block)  # one block: CBC is ECB and the block before


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _json(plain: bytes) -> bool:
    """Custom resources are stored as JSON; its first block is text."""
    return plain.startswith(b'{"') and all(32 <= byte < 127 for byte in plain)


def _kms_key(record: Record) -> str:
    """Of KMS v2 the id of the key: field 2 of the protobuf message behind the prefix; empty where it was not read."""
    place, body = 0, record.body
    while record.version == "v2" and place < len(body):
        tag, place = _varint(body, place)
        if tag & 7 != 2:
            return ""
        size, place = _varint(body, place)
        if tag >> 3 == 2 and place + size <= len(body):
            return f" key {body[place : place + size].decode('utf-8', errors='replace')}"
        place += size
    return ""


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data):
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            break
    return value, place


class Tally:
    """Counts record by record, so that no more than a page of them is ever held."""

    def __init__(self, keys: Mapping[tuple[str, str], bytes]) -> None:
        """keys: (provider, fingerprint) -> key. Its name is not asked: two keys of one name are the very fault."""
        self._keys = keys
        self._opened: dict[tuple[str, str, str, str], int] = {}
        self._kms: dict[str, int] = {}
        self._others: dict[tuple[str, str, str, str], int] = {}
        self.seen: dict[str, None] = {}  # resources of which there is any record
        self.closed: list[str] = []
        self.closed_count = 0
        self.odd: list[str] = []
        self.odd_count = 0

    def add(self, resource: str, records: Iterable[Record]) -> None:
        """Count these."""
        for record in records:
            self.seen[resource] = None
            if record.provider in ("identity", "kms"):
                mark = (resource, record.provider, record.key_name, "")
                self._others[mark] = self._others.get(mark, 0) + 1
            if record.provider == "identity":
                continue
            if record.provider == "kms":
                plugin = f"{record.version} {record.key_name}{_kms_key(record)}"
                self._kms[plugin] = self._kms.get(plugin, 0) + 1
            elif record.provider == "unknown":
                self._odd(record.name)
            else:
                self._try(resource, record)

    def _try(self, resource: str, record: Record) -> None:
        try:
            fits = opener(record, self._keys)
        except ValueError:
            self._odd(record.name)
            return
        if fits:
            mark = (resource, record.provider, record.key_name, fits)
            self._opened[mark] = self._opened.get(mark, 0) + 1
            return
        self.closed_count += 1
        if len(self.closed) < _TOLD:
            self.closed.append(record.name)

    def _odd(self, name: str) -> None:
        self.odd_count += 1
        if len(self.odd) < _TOLD:
            self.odd.append(name)

    @property
    def opened(self) -> tuple[Opened, ...]:
        """Which key opens how many records of which resource."""
        return tuple(Opened(*mark, count) for mark, count in self._opened.items())

    @property
    def others(self) -> tuple[Opened, ...]:
        """Records that no local key is for."""
        return tuple(Opened(*mark, count) for mark, count in self._others.items())

    @property
    def kms(self) -> tuple[str, ...]:
        """Records that only a KMS plugin opens."""
        return tuple(f"{plugin}: {count} records" for plugin, count in self._kms.items())
