"""Reading the probe's answer."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import ProbeError, read_probe


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def hex_of(char: str) -> str:
    return hex(ord(char))


def test_reads_every_kind_of_record() -> None:
    text = "\n".join(
        [
            "some banner of the login",
            "@kuberevive 1",
            "@uid 0",
            "@kubelet yes",
            "host|val\tkey\tfirst",
            "host|val\tkey\tsecond",
            f"host|file\t/etc/x\tok\t4\t600\troot:root\t1700000000\t\t{b64('text')}",
            "host|key\t/k\tok\tabc",
            f"host|out\tdf\t{b64('line' + chr(10) + '@rc=3')}",
            "host|end=0",
            "@end",
            "etcd|val\tlate\tx",
        ]
    )
    probe = read_probe(text)
    host = probe.sections["host"]
    assert probe.complete
    assert (probe.uid, probe.kubelet) == ("0", True)
    assert host.state == "ok"
    assert host.value("key") == "second"
    assert host.all("key") == ("first", "second")
    assert host.file("/etc/x").content == "text"
    assert host.file("/etc/x").mtime == 1700000000
    assert host.file("/nowhere").state == "not told"
    with pytest.raises(ValueError, match="did not tell of /nowhere"):
        assert host.file("/nowhere").usable
    assert host.keys["/k"] == ("ok", "abc")
    assert (host.outputs["df"].rc, host.outputs["df"].text) == (3, "line\n")
    assert "etcd" not in probe.sections, "late output after the end mark is not ours"


def test_an_answer_cut_off_in_the_middle_is_not_complete() -> None:
    probe = read_probe("@kuberevive 1\nhost|val\ta\tb\nhost|val\tc")
    assert not probe.complete
    assert probe.sections["host"].state == "missing"
    assert probe.sections["host"].value("a") == "b"
    assert probe.sections["host"].value("c") == ""


def test_a_timed_out_section_keeps_what_came_before() -> None:
    probe = read_probe("@kuberevive 1\nhost|val\ta\tb\nhost|timeout=3\n@end\n")
    assert probe.sections["host"].state == "timeout"
    assert probe.sections["host"].value("a") == "b"


@pytest.mark.parametrize("char", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"], ids=hex_of)
def test_a_name_on_the_node_cannot_pass_for_a_mark_or_a_record(char: str) -> None:
    name = f"/home/a{char}@end{char}@uid 1000{char}host|val\tforged\tx"
    text = f"@kuberevive 1\n@uid 0\n@kubelet yes\nhost|val\teater\t{name}\n@uid 1000\n@kubelet no\nhost|end=0\n@end\n"
    probe = read_probe(text)
    assert probe.complete
    assert (probe.uid, probe.kubelet) == ("0", True), "behind the first section's line nobody says who we are"
    assert probe.sections["host"].values == {"eater": name.rstrip("\r")}


@pytest.mark.parametrize("text", ["", "Welcome to node m1\n", "sh: not found\n"])
def test_something_else_than_the_probe_is_refused(text: str) -> None:
    with pytest.raises(ProbeError, match="does not begin with the probe's mark"):
        read_probe(text)


def test_broken_base64_and_bytes_that_are_no_text_do_no_harm() -> None:
    garbage = base64.b64encode(b"\xff\xfe\x00x").decode()
    probe = read_probe(f"@kuberevive 1\nhost|out\ta\t*not base64\nhost|out\tb\t{garbage}\n@end")
    assert probe.sections["host"].outputs["a"].rc == -1
    assert "x" in probe.sections["host"].outputs["b"].text
