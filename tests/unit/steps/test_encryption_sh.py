"""Encryption at rest on its way: keys that leave a node only encrypted, records read in pages, configurations written."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import encryption_union as making
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import Opened
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.courier import Courier, CourierError, printed_rules
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_records import fits_by_padding, opens, read
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_step import record_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer

STEPS = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_steps"
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])
KEY, OTHER = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"
# etcd's gateway as far as a range goes: records of a file, in the order and the form of the real one.
CURL = f"""#!{sys.executable}
import base64, json, sys
here = PLACE
asked = json.loads(sys.argv[sys.argv.index("-d") + 1])
with open(here + "/asked", "a") as log:
    log.write(json.dumps(asked) + "\\n")
stored = json.load(open(here + "/stored"))
if isinstance(stored, str):
    print(stored)
    raise SystemExit
start, end = (base64.b64decode(asked[k]) for k in ("key", "range_end"))
found = [(k, v) for k, v in sorted(stored.items()) if start <= k.encode() < end]
page = found[: int(asked["limit"])]
b64 = lambda text: base64.b64encode(text).decode()
kvs = [{{"key": b64(k.encode()), "create_revision": "2", "mod_revision": "3", "version": "1", "value": v}} for k, v in page]
answer = {{"header": {{"cluster_id": "1", "member_id": "2", "revision": "77", "raft_term": "5"}}, "kvs": kvs}}
answer |= {{"more": True}} if len(page) < len(found) else {{}}
print(json.dumps({{**answer, "count": str(len(found))}}, separators=(",", ":")))
"""


@pytest.fixture(params=SHELLS, ids=[" ".join(s) for s in SHELLS])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """One shell after the other."""
    words: list[str] = request.param
    return words


def run(shell: list[str], place: Path, script: str, **args: str) -> tuple[Answer, str]:
    """What the script said, and all of its output."""
    lines = ["KR_RUN=run1", "KR_STEP=try", *(f"KR_ARG_{k.upper()}={shlex.quote(v)}" for k, v in args.items())]
    lines.append(f"PATH={place}/bin:$PATH")
    text = "\n".join(
        [*lines, *((STEPS / name).read_text(encoding="utf-8") for name in ("lib.sh", script)), "echo @done"]
    )
    for root in ("/var/lib/kuberevive", "/run/kuberevive", "/dev/shm/kuberevive"):
        text = text.replace(root, f"{place}/vault")
    done = subprocess.run([*shell, "-s"], input=text, capture_output=True, text=True, check=False, timeout=60)
    return Answer(done.returncode, done.stdout, done.stderr), done.stdout + done.stderr


def configuration(key: bytes, name: str = "key1") -> str:
    return f"""# a comment
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {{keys: [{{name: {name}, secret: {base64.b64encode(key).decode()}}}]}}
  - identity: {{}}
"""


def test_keys_leave_a_node_only_for_this_run(shell: list[str], tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    (place / "secrets.conf").write_text(configuration(KEY))
    (place / "secrets.conf-bkp").write_text(configuration(OTHER))
    (place / "big.conf").write_text(configuration(OTHER) * 400)
    (place / "notes.txt").write_text("nothing of it")
    (place / "kind: EncryptionConfiguration").mkdir()
    kept = tmp_path / "vault" / "run0" / f"files{place}"
    kept.mkdir(parents=True)
    (kept / "secrets.conf").write_text(configuration(OTHER, "old"))
    holder = Courier()
    answer, said = run(shell, tmp_path, "encryption_keys.sh", file=f"{place}/secrets.conf", cert=holder.certificate())
    assert answer.done, said
    for key in (KEY, OTHER):
        assert base64.b64encode(key).decode() not in said
        assert base64.b64encode(base64.b64encode(key)).decode()[4:-4] not in said
    other = Courier()
    other.certificate()
    with pytest.raises(CourierError, match="not for this run"):
        other.take("m1", f"{place}/secrets.conf", answer.values["sealed"])
    holder.take("m1", f"{place}/secrets.conf", answer.values["sealed"])
    found = {c.path: (c.current, c.rules) for c in holder.candidates()}
    assert set(found) == {f"{place}/secrets.conf", f"{place}/secrets.conf-bkp", f"{kept}/secrets.conf"}
    assert [path for path, (current, _) in found.items() if current] == [f"{place}/secrets.conf"]
    assert set(holder.keys().values()) == {KEY, OTHER}
    assert holder.content("m1", f"{place}/secrets.conf") == configuration(KEY).encode()
    assert KEY.decode() not in repr(holder)


def test_without_openssl_no_key_travels(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "secrets.conf").write_text(configuration(KEY))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "openssl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "openssl").chmod(0o755)
    answer, said = run(shell, tmp_path, "encryption_keys.sh", file=f"{tmp_path}/secrets.conf", cert="none")
    assert (answer.failure, "sealed" in answer.values) == (
        "openssl could not encrypt the configurations to the run's certificate",
        False,
    )
    assert base64.b64encode(KEY).decode() not in said


def stored(tmp_path: Path, records: dict[str, bytes] | str) -> dict[str, str]:
    """A gateway with these records, and the arguments to ask it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "curl").write_text(CURL.replace("PLACE", repr(str(tmp_path))))
    (tmp_path / "bin" / "curl").chmod(0o755)
    told = records if isinstance(records, str) else {k: base64.b64encode(v).decode() for k, v in records.items()}
    (tmp_path / "stored").write_text(json.dumps(told))
    start, end = (base64.b64encode(k).decode() for k in (b"/registry/secrets/", b"/registry/secrets0"))
    peer = {f"peer_{word}": "x" for word in ("endpoint", "ca", "cert", "key")}
    return {"start": start, "end": end, "revision": "0", "count": "5000", **peer}


def test_records_come_in_pages_of_one_revision_and_no_plain_text_comes(shell: list[str], tmp_path: Path) -> None:
    secret = b"k8s\0\n\x0c\n\x02v1\x12\x06Secret" + b"hidden" * 30
    records = {
        f"/registry/secrets/ns/s{i:04}": b"k8s:enc:aescbc:v1:key1:" + bytes([i % 251]) * (48 + i) for i in range(250)
    }
    records |= {"/registry/secrets/ns/plain": secret, "/registry/secrets0": b"outside", "/registry/pods/x": b"outside"}
    records["/registry/secrets/ns/kms"] = b"k8s:enc:kms:v2:vault:" + b"\x0a\x02ab" * 200
    args = stored(tmp_path, records)
    answer, said = run(shell, tmp_path, "encryption_scan.sh", **args)
    assert answer.done, said
    assert (answer.values["revision"], answer.values["next"]) == ("77", "")
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert [a["revision"] for a in asked] == ["0", *["77"] * (len(asked) - 1)]
    assert len(asked) > 1
    got = {r.name: r for r in (record_of(line) for line in answer.rest if line.startswith("r "))}
    assert sorted(got) == sorted(n for n in records if "outside" not in records[n].decode("latin-1"))
    assert got["/registry/secrets/ns/plain"].provider == "identity"
    assert base64.b64encode(secret).decode()[12:40] not in said
    assert len(got["/registry/secrets/ns/kms"].body) == 800
    for i in (0, 249):
        one = got[f"/registry/secrets/ns/s{i:04}"]
        assert (one.provider, one.key_name) == ("aescbc", "key1")
        assert one.tail[-16:] == bytes([i % 251]) * 16


def test_a_long_range_is_gone_on_with_where_it_stopped(shell: list[str], tmp_path: Path) -> None:
    args = stored(
        tmp_path, {f"/registry/secrets/ns/s{i:04}": b"k8s:enc:secretbox:v1:k:" + b"x" * 90 for i in range(250)}
    )
    names: list[str] = []
    while args["start"]:
        answer, said = run(shell, tmp_path, "encryption_scan.sh", **{**args, "count": "100"})
        assert answer.done, said
        names += [record_of(line).name for line in answer.rest if line.startswith("r ")]
        args |= {"start": answer.values["next"], "revision": answer.values["revision"]}
    assert names == [f"/registry/secrets/ns/s{i:04}" for i in range(250)]


@pytest.mark.parametrize(
    "said", ['{"error":"etcdserver: mvcc: required revision has been compacted","code":11}', "curl: (7) Failed"]
)
def test_what_etcd_refuses_is_no_empty_answer(shell: list[str], tmp_path: Path, said: str) -> None:
    answer, _ = run(shell, tmp_path, "encryption_scan.sh", **stored(tmp_path, said))
    assert answer.failure.startswith("etcd does not let its records be read")
    assert said.strip("{")[:20] in answer.failure
    assert not answer.done


def test_a_configuration_is_written_whole_and_the_old_one_kept(shell: list[str], tmp_path: Path) -> None:
    file = tmp_path / "data" / "secrets.conf"
    file.parent.mkdir()
    file.write_text(configuration(OTHER))
    content = base64.b64encode(configuration(KEY).encode()).decode()
    args = {"what": "the new one", "file": str(file), "mode": "640", "owner": "root:root", "content": content}
    answer, said = run(shell, tmp_path, "encryption_config.sh", **args)
    assert answer.done, said
    assert (file.read_text(), oct(file.stat().st_mode)[-3:]) == (configuration(KEY), "640")
    assert (tmp_path / "vault" / "run1" / f"files{file}").read_text() == configuration(OTHER)
    assert content[20:60] not in said
    again, _ = run(shell, tmp_path, "encryption_config.sh", **args)
    assert (again.done, again.changed) == (True, False)


def test_the_union_opens_everything_and_the_single_key_only_its_own() -> None:
    prints = {key: hashlib.sha256(key).hexdigest() for key in (KEY, OTHER)}
    opened = tuple(Opened("secrets", "aescbc", "key1", prints[key], 5) for key in (OTHER, KEY))
    holder = Courier()
    keys = {("aescbc", prints[key]): key for key in (KEY, OTHER)}
    holder._files["m1", "f"] = configuration(KEY).encode()
    holder._current["m1"] = "f"
    base = making.base_of(holder.candidates(), opened)
    assert base is not None
    keep = making.keeper(base)
    assert keep == ("aescbc", "key1", prints[KEY])
    content = making.union(holder.document("m1", "f"), opened, keys)
    holder._files["m1", "f"] = content
    (again,) = holder.candidates()
    assert again.union
    told = [(p.kind, [k.fingerprint for k in p.keys]) for p in again.rules[0].providers]
    assert told == [("aescbc", [prints[KEY]]), ("aescbc", [prints[OTHER]]), ("identity", [])]
    assert making.union(holder.document("m1", "f"), opened, keys) == content
    left = printed_rules(yaml.safe_load(making.single(holder.document("m1", "f"), keep)))
    assert [(p.kind, len(p.keys)) for p in left[0].providers] == [("aescbc", 1), ("identity", 0)]


def test_the_key_that_stays_is_one_of_that_name() -> None:
    document = yaml.safe_load(configuration(KEY))
    aescbc = document["resources"][0]["providers"][0]["aescbc"]["keys"]
    aescbc.append({"name": "key2", "secret": aescbc[0]["secret"]})
    left = printed_rules(yaml.safe_load(making.single(document, ("aescbc", "key2", hashlib.sha256(KEY).hexdigest()))))
    assert [k.name for k in left[0].providers[0].keys] == ["key2"]


def test_a_record_that_would_open_by_accident_comes_under_the_key_that_stays() -> None:
    plain = b"k8s\0\n\x0c\n\x02v1\x12\x06Secret" + b"x" * 23 + bytes([7]) * 7
    assert len(plain) % 16 == 0
    body = bytes(16) + Cipher(AES(OTHER), CBC(bytes(16))).encryptor().update(plain)
    value = making.rewritten("/registry/secrets/a/b", b"k8s:enc:aescbc:v1:key1:" + body, OTHER, KEY, "key9")
    record = read("/registry/secrets/a/b", value, value[-32:])
    assert (record.key_name, opens(record, KEY), fits_by_padding(record, KEY)) == ("key9", True, True)
    with pytest.raises(ValueError, match="no longer what it was"):
        making.rewritten("/registry/secrets/a/b", value, OTHER, KEY, "key9")
