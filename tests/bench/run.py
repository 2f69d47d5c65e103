"""Benches: ratios of medians, all contenders in one run on the same lab. `make bench`, or one by name.

    .venv/bin/python tests/bench/run.py [BENCH …] [--runs N] [--profile current]

fleet     diagnose of 100 inventory hosts ÷ `ansible -m raw -a true` of the same hosts (forks 20), and peak memory
calendar  certificate-report of the same 100 hosts ÷ the same
healthy   recover-power-loss of a healthy 3+1 ÷ one `raw` of them
          (these also ÷ one raw task that sends the probe's text; with 100 hosts also the controller's processor time alone)
recovery  recover-power-loss after incident.power_loss ÷ oracle.sh, and ÷ by_the_book.sh, to the same finish line
renewal   renew-certificates of a living 3+1 (pki.certs_near_expiry) ÷ oracle_renewal.sh, to the same finish line
encryption  which key opens which of 50,000 secrets ÷ `etcdctl get --prefix` of them into /dev/null; peak memory on both sides
The 100 hosts are aliases of the lab's four nodes, each with an SSH connection of its own. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
HERE = Path(__file__).resolve().parent
LAB = "bench"
# The sections named, all where none is.
_PROBE = (
    "import sys; "
    "from ansible_collections.kuberevive.cluster.plugins.plugin_utils._probe import LIMITS, assemble; "
    "print(assemble(sys.argv[1:] or LIMITS))"
)


def run(argv: Sequence[object], check: bool = True, env: dict[str, str] | None = None) -> str:
    """A command's output; its last lines when it fails."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )
    if check and done.returncode:
        raise SystemExit(f"{' '.join(words)}: rc {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def lab(*words: str) -> str:
    """The lab's command line, on this bench's own lab."""
    return run([ROOT / "lab" / "lab", *words, "--name", LAB])


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


def rounds(
    runs: int, contenders: dict[str, Callable[[], object]], here: dict[str, list[float]] | None = None
) -> dict[str, list[float]]:
    """A B C A B C …, after one warm-up of each, so that a noisy moment hits all; here: what this side's processors did of it."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(runs + 1):
        for name, action in contenders.items():
            before = _worked()
            needed = seconds(action)
            if number:
                took[name].append(needed)
                if here is not None:
                    here.setdefault(name, []).append(_worked() - before)
    return took


def _worked() -> float:
    """Processor seconds of all processes that were started here and have ended; those on the nodes are not of them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def line(name: str, ours: list[float], other: list[float], what: str) -> str:
    """One row of the table."""
    a, b = statistics.median(ours), statistics.median(other)
    return f"| {name} | {a:.1f} s | {what} {b:.1f} s | {a / b:.2f} | {len(ours)} |"


def inventory(folder: Path, hosts: int) -> Path:
    """The lab's inventory, grown to that many hosts by aliases of its nodes."""
    data: dict[str, Any] = yaml.safe_load(lab("inventory"))
    groups = data["all"]["children"]
    real = [host for group in groups.values() for host in group["hosts"].values()]
    common = data["all"]["vars"]
    args = str(common["ansible_ssh_common_args"]).split(" ")
    common["ansible_ssh_common_args"] = " ".join(a for a in args if not a.startswith("-oControlPath"))
    missing = hosts - len(real)
    groups["workers"]["hosts"].update({f"x{n:03}": dict(real[n % len(real)]) for n in range(missing)})
    for group in groups.values():
        for name, host in group["hosts"].items():  # a delegated task must not take another host's connection
            host["ansible_control_path"] = str(folder / name)
    path = folder / f"inventory-{hosts}.yml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def playbook(path: Path, book: str, folder: Path, forks: int = 20, check: bool = True) -> str:
    """One ansible-playbook of ours."""
    words = [
        BIN / "ansible-playbook",
        "-i",
        path,
        "-f",
        forks,
        f"playbooks/{book}",
        "-e",
        f"kuberevive_report_dir={folder}",
    ]
    return run(words, check=check)


def raw(path: Path, forks: int = 20) -> str:
    """The floor: one task that does nothing."""
    return run([BIN / "ansible", "-i", path, "-f", forks, "masters:workers", "-m", "ansible.builtin.raw", "-a", "true"])


def raw_probe(path: Path, folder: Path, sections: Sequence[str] = (), forks: int = 20) -> str:
    """What the nodes' answers cost without anybody reading them: the same probe text, by a play of one raw task."""
    text = folder / "probe.sh"
    words = [BIN / "python", "-c", _PROBE, *sections]
    text.write_text(run(words, env={"PYTHONPATH": str(ROOT / "collections")}), encoding="utf-8")
    book = folder / "probe.yml"
    task = {"ansible.builtin.raw": "{{ lookup('ansible.builtin.file', text) }}"}
    play = {"hosts": "masters:workers", "gather_facts": False, "tasks": [task]}
    book.write_text(yaml.safe_dump([play]), encoding="utf-8")
    return run([BIN / "ansible-playbook", "-i", path, "-f", forks, book, "-e", f"text={text}"])


def _hundred(title: str, folder: Path, runs: int, ours: Callable[[Path], object], sections: Sequence[str]) -> list[str]:
    """A look at 100 hosts ÷ what sending it takes."""
    path = inventory(folder, 100)
    here: dict[str, list[float]] = {}
    contenders: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(path),
        "raw": lambda: raw(path),
        "raw of the probe": lambda: raw_probe(path, folder, sections),
    }
    took = rounds(runs, contenders, here)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    rows = [
        line(f"{title}, 100 hosts{which}", each["ours"], each[name], name)
        for which, each in (("", took), (", controller's processor time", here))
        for name in ("raw", "raw of the probe")
    ]
    return [*rows, f"\nPeak memory of the largest process: {peak} MB.\n"]


def fleet(folder: Path, runs: int, profile: str) -> list[str]:
    """Everything of 100 hosts."""
    lab("up", "--profile", profile)
    return _hundred("diagnose", folder, runs, lambda path: playbook(path, "diagnose.yml", folder, check=False), ())


def calendar(folder: Path, runs: int, profile: str) -> list[str]:
    """Every certificate of 100 hosts; the yardstick sends the same two sections of the probe."""
    lab("up", "--profile", profile)
    title = "certificate-report"
    return _hundred(title, folder, runs, lambda path: _whole_calendar(path, folder), ("pki", "kubelet"))


def _whole_calendar(path: Path, folder: Path) -> None:
    """The playbook itself; a calendar that lacks a host or could not tell something would have been made too fast."""
    playbook(path, "certificate_report.yml", folder)
    made = json.loads((folder / "certificates.json").read_text(encoding="utf-8"))
    hosts = {row["node"] for row in made["certificates"]}
    if made["could_not_tell"] or len(hosts) != 100:
        raise SystemExit(f"the calendar has {len(hosts)} hosts and could not tell {made['could_not_tell']}")


def healthy(folder: Path, runs: int, profile: str) -> list[str]:
    """A second run on a healthy cluster."""
    lab("up", "--profile", profile)
    path = inventory(folder, 4)
    took = rounds(
        runs,
        {
            "recover": lambda: playbook(path, "recover_power_loss.yml", folder),
            "raw": lambda: raw(path),
            "raw of the probe": lambda: raw_probe(path, folder),
        },
    )
    title = "recover-power-loss, healthy 3+1"
    return [line(title, took["recover"], took[name], name) for name in ("raw", "raw of the probe")]


def ssh_config(folder: Path) -> Path:
    """The same logins for the yardsticks."""
    data = yaml.safe_load(lab("inventory"))
    common = data["all"]["vars"]
    words = [w[2:].split("=", 1) for w in common["ansible_ssh_common_args"].split(" ") if w.startswith("-o")]
    lines = [
        f"IdentityFile {common['ansible_ssh_private_key_file']}",
        "User root",
        "ControlMaster auto",
        "ControlPersist 60",
    ]
    lines += [f"{key} {value}" for key, value in words]
    for group in data["all"]["children"].values():
        for name, host in group["hosts"].items():
            lines += [f"Host {name}", f"  HostName {host['ansible_host']}"]
    path = folder / "ssh_config"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _repairs(
    fault: str,
    contenders: dict[str, Callable[[Path, Path], object]],
    folder: Path,
    runs: int,
    profile: str,
    living: bool,
) -> dict[str, list[float]]:
    """From the fault to the finish line, by each contender on its own fresh copy; living: the clock starts when it is well again."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, repair in contenders.items():
            lab("down")
            lab("up", "--profile", profile)
            lab("break", fault)
            path, config = inventory(folder, 4), ssh_config(folder)
            well: list[object] = [HERE / "wait_well.sh", config, 600]
            if living:
                run(well)
            start = time.monotonic()
            repair(path, config)
            run(well)
            took[name].append(time.monotonic() - start)
            print(f"{name}: {took[name][-1]:.1f} s", flush=True)
    return took


def recovery(folder: Path, runs: int, profile: str) -> list[str]:
    """From the broken cluster to the finish line."""
    contenders: dict[str, Callable[[Path, Path], object]] = {
        "ours": lambda path, config: playbook(path, "recover_power_loss.yml", folder),
        "oracle": lambda path, config: run([HERE / "oracle.sh", config]),
        "by the book": lambda path, config: run([HERE / "by_the_book.sh", config]),
    }
    took = _repairs("incident.power_loss", contenders, folder, runs, profile, living=False)
    title = f"recovery of incident.power_loss, {profile}"
    return [line(title, took["ours"], took[name], name) for name in ("oracle", "by the book")]


def renewal(folder: Path, runs: int, profile: str) -> list[str]:
    """All certificates of a cluster that lives and goes on living."""
    contenders: dict[str, Callable[[Path, Path], object]] = {
        "ours": lambda path, config: playbook(path, "renew_certificates.yml", folder),
        "oracle": lambda path, config: run([HERE / "oracle_renewal.sh", config]),
    }
    took = _repairs("pki.certs_near_expiry", contenders, folder, runs, profile, living=True)
    return [line(f"renewal of a living cluster, {profile}", took["ours"], took["oracle"], "oracle")]


# 50,000 secrets of a few bytes, written through kube-apiserver as anybody would.
_MANY = """set -e
export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl create namespace many >/dev/null
n=0
while [ "$n" -lt 50 ]; do
    { printf '{"apiVersion":"v1","kind":"List","items":['
      i=0
      while [ "$i" -lt 1000 ]; do
          [ "$i" = 0 ] || printf ,
          printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s%s-%s"},"data":{"a":"YWJj"}}' "$n" "$i"
          i=$((i + 1))
      done
      printf ']}'; } | kubectl -n many create -f - >/dev/null
    n=$((n + 1))
done"""
# The greatest sum of what the scan's own processes hold, in KiB, until the file is gone.
_WATCH = """: >/run/watch; echo 0 >/run/peak
while [ -e /run/watch ]; do
    now=$(ps -C mawk,curl,base64 -o rss= | awk '{ s += $1 } END { print s + 0 }')
    [ "$now" -le "$(cat /run/peak)" ] || echo "$now" >/run/peak
    sleep 0.1
done"""
_ETCDCTL = """cd /etc/kubernetes/pki/etcd
ETCDCTL_API=3 "/proc/$(pgrep -x etcd)/root/usr/local/bin/etcdctl" --endpoints https://127.0.0.1:2379 --cacert ca.crt --cert server.crt \
    --key server.key get --prefix /registry/secrets/ >/dev/null"""


def _exec(script: str) -> list[object]:
    """A script on the first master."""
    return [ROOT / "lab" / "lab", "exec", "--name", LAB, "m1", "--", "sh", "-c", script]


def encryption(folder: Path, runs: int, profile: str) -> list[str]:
    """A large number of encrypted records."""
    lab("up", "--profile", profile, "--encryption", "aescbc")
    run(_exec(_MANY))
    path = inventory(folder, 4)
    words = [BIN / "ansible-playbook", "-i", path, HERE / "proof.yml", "-e", "least=50000"]
    with subprocess.Popen([str(w) for w in _exec(_WATCH)], stdout=subprocess.DEVNULL):
        took = rounds(
            runs,
            {"proof": lambda: run(words), "etcdctl": lambda: run(_exec(_ETCDCTL))},
        )
        run(_exec("rm /run/watch"))
    here = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    there = int(run(_exec("cat /run/peak"))) // 1024
    row = line("key of 50,000 secrets", took["proof"], took["etcdctl"], "etcdctl get --prefix")
    return [
        row,
        f"\nPeak memory: largest process here {here} MB, the scan's processes on the node together {there} MB.\n",
    ]


BENCHES = {
    "fleet": fleet,
    "calendar": calendar,
    "healthy": healthy,
    "recovery": recovery,
    "renewal": renewal,
    "encryption": encryption,
}


def main() -> None:
    """Run the named benches, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", nargs="*", choices=[[], *BENCHES], default=[])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", default="current")
    options = parser.parse_args()
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.bench or BENCHES:
            rows += BENCHES[name](Path(folder), options.runs, options.profile)
    lab("down")
    print("\n| what | ours | yardstick | ratio | runs |\n|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
