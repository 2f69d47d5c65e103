"""component_restart.sh and kubelet_backoff_reset.sh in a pid namespace of their own, with stand-ins for kubelet and runtime.

The stand-in for kubelet starts its component again whenever it ends, as the real one does; the runtime's clients are small
scripts with the very words of ctr, crictl and docker that the steps use, so a wrong word fails.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer

STEPS = Path(_steps.__file__).parent
KUBELET = """#!/bin/sh
while :; do kube-scheduler 600; sleep 1; done
"""
CLIENTS = {
    "docker": """#!/bin/sh
case "$*" in
  "-H unix:///run/docker.sock ps -q --no-trunc -f name=^k8s_kube-scheduler_ -f status=running") pgrep -x kube-scheduler | sed s/^/c-/ ;;
  "-H unix:///run/docker.sock stop -t 30 c-"*) kill "${6#c-}" ;;
  *) echo "unexpected: $*" >&2; exit 64 ;;
esac
""",
    "crictl": """#!/bin/sh
[ "$1 $2" = "--runtime-endpoint unix:///run/crio.sock" ] || exit 64
shift 2
case "$*" in
  version) ;;
  "ps -q --name ^kube-scheduler\\$ --state Running --label io.kubernetes.pod.namespace=kube-system")
    pgrep -x kube-scheduler | sed s/^/c-/ ;;
  "stop -t 30 c-"*) kill "${4#c-}" ;;
  *) echo "unexpected: $*" >&2; exit 64 ;;
esac
""",
    "ctr": """#!/bin/sh
[ "$1 $2 $3 $4" = "-a /run/containerd.sock -n k8s.io" ] || exit 64
shift 4
case "$*" in
  "tasks ls") echo "TASK PID STATUS"; pgrep -x kube-scheduler | sed 's/.*/c-& & RUNNING/'; echo "c-old 7 STOPPED" ;;
  'containers ls -q labels."io.kubernetes.container.name"=="kube-scheduler",labels."io.kubernetes.pod.namespace"=="kube-system"')
    echo c-old; pgrep -x kube-scheduler | sed s/^/c-/ ;;
  "tasks kill -s TERM c-"*) kill "${5#c-}" ;;
  *) echo "unexpected: $*" >&2; exit 64 ;;
esac
""",
}
CASES = (
    ("docker", "docker", "/run/docker.sock", "dash"),
    ("crictl", "crio", "/run/crio.sock", "busybox sh"),
    ("ctr", "containerd", "/run/containerd.sock", "bash"),
)


def script(place: Path, name: str, text: str) -> None:
    (place / name).write_text(text, encoding="utf-8")
    (place / name).chmod(0o755)


def run(place: Path, shell: str, step: str, before: str = "", **values: str) -> Answer:
    """The step in a namespace of processes that holds only the stand-ins."""
    head = [f"KR_ARG_{key}='{value}'" for key, value in values.items()]
    head += ["KR_RUN=run-7", "KR_STEP=step@m1", "kr_vault() { return 1; }"]
    texts = [(STEPS / name).read_text(encoding="utf-8") for name in ("lib.sh", "api.sh", step)]
    # The vault is the node's; this machine gets no journal.
    texts[0] += "\nkr_journal() { :; }\n"
    (place / "step.sh").write_text("\n".join([*head, *texts, "echo @done"]), encoding="utf-8")
    inside = f"export PATH={place}:$PATH; {before} {shell} -s <{place}/step.sh"
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", inside]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return Answer(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory of stand-ins that comes first in PATH."""
    script(tmp_path, "kubelet", KUBELET)
    shutil.copy2("/bin/sleep", tmp_path / "kube-scheduler")
    return tmp_path


@pytest.mark.parametrize(("client", "runtime", "socket", "shell"), CASES, ids=[c[0] for c in CASES])
def test_a_component_is_ended_and_its_successor_waited_for(
    client: str, runtime: str, socket: str, shell: str, place: Path
) -> None:
    script(place, client, CLIENTS[client])
    answer = run(
        place,
        shell,
        "component_restart.sh",
        "kubelet >/dev/null 2>&1 & sleep 3;",
        COMPONENTS="kube-scheduler",
        STARTED="0",
        RUNTIME=runtime,
        SOCKET=socket,
    )
    assert (answer.done, answer.changed, answer.rest, answer.failure) == (True, True, [], "")
    assert answer.lines[0].startswith("ended kube-scheduler (container c-")
    assert answer.lines[-1] == "kube-scheduler runs again"


BOTH = """#!/bin/sh
for name in kube-scheduler kube-controller-manager; do while :; do $name 600; sleep 1; done & done
wait
"""
DOCKER_OF_BOTH = """#!/bin/sh
shift 2
case "$*" in
  "ps -q --no-trunc -f name=^k8s_kube-scheduler_ -f status=running") pgrep -x kube-scheduler | sed s/^/c-/ ;;
  "ps -q --no-trunc -f name=^k8s_kube-controller-manager_ -f status=running") pgrep -x kube-controller | sed s/^/c-/ ;;
  "stop -t 30 c-"*) kill "${4#c-}" ;;
  *) echo "unexpected: $*" >&2; exit 64 ;;
esac
"""


def test_both_are_ended_before_the_first_is_waited_for(place: Path) -> None:
    script(place, "kubelet", BOTH)
    shutil.copy2("/bin/sleep", place / "kube-controller-manager")
    script(place, "docker", DOCKER_OF_BOTH)
    answer = run(
        place,
        "dash",
        "component_restart.sh",
        "kubelet >/dev/null 2>&1 & sleep 3;",
        COMPONENTS="kube-scheduler\nkube-controller-manager",
        STARTED="0\n0",
        UNITS="-\n-",
        RUNTIME="docker",
        SOCKET="/run/docker.sock",
    )
    assert (answer.done, answer.changed, answer.rest, answer.failure) == (True, True, [], "")
    assert [line.split(" (")[0] for line in answer.lines] == [
        "ended kube-scheduler",
        "ended kube-controller-manager",
        "kube-scheduler runs again",
        "kube-controller-manager runs again",
    ]


SYSTEMCTL = """#!/bin/sh
case "$*" in
  "show --no-pager -p LoadState x.service") echo LoadState=loaded ;;
  "show --no-pager -p MainPID x.service") echo "MainPID=$(pgrep -nx kube-scheduler || echo 0)" ;;
  "reset-failed x.service") ;;
  "restart --no-block x.service") pkill -x kube-scheduler ;;
  *) echo "unexpected: $*" >&2; exit 64 ;;
esac
"""


@pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash"])
def test_a_unit_is_restarted_by_systemd_without_kubelet_or_a_runtime(shell: str, place: Path) -> None:
    script(place, "systemctl", SYSTEMCTL)
    script(place, "journalctl", "#!/bin/sh\necho fine\n")
    script(place, "daemon", KUBELET)
    values = {"COMPONENTS": "kube-scheduler", "STARTED": "0", "UNITS": "x", "RUNTIME": "none", "SOCKET": ""}
    answer = run(place, shell, "component_restart.sh", "daemon >/dev/null 2>&1 & sleep 3;", **values)
    assert (answer.done, answer.changed, answer.rest, answer.failure) == (True, True, [], "")
    assert answer.lines == ["restarted kube-scheduler (unit x)", "kube-scheduler runs again"]


def test_a_masked_unit_is_left_alone(place: Path) -> None:
    script(place, "systemctl", "#!/bin/sh\necho LoadState=masked\n")
    values = {"COMPONENTS": "kube-scheduler", "STARTED": "0", "UNITS": "x", "RUNTIME": "none", "SOCKET": ""}
    answer = run(place, "dash", "component_restart.sh", "kube-scheduler 600 & sleep 1;", **values)
    assert answer.refused is not None
    assert answer.refused[0] == "unit"


def test_what_has_been_restarted_meanwhile_is_left_alone(place: Path) -> None:
    script(place, "docker", CLIENTS["docker"])
    values = {"COMPONENTS": "kube-scheduler", "STARTED": "1000", "RUNTIME": "docker", "SOCKET": "/run/docker.sock"}
    answer = run(place, "dash", "component_restart.sh", "kubelet >/dev/null 2>&1 & sleep 1;", **values)
    assert (answer.done, answer.changed) == (True, False)
    assert answer.lines[0] == "kube-scheduler has been restarted meanwhile"


def test_nothing_is_ended_where_no_kubelet_would_start_it_again(place: Path) -> None:
    script(place, "docker", CLIENTS["docker"])
    values = {"COMPONENTS": "kube-scheduler", "STARTED": "0", "RUNTIME": "docker", "SOCKET": "/run/docker.sock"}
    answer = run(place, "dash", "component_restart.sh", "kube-scheduler 600 & sleep 1;", **values)
    assert answer.refused is not None
    assert answer.refused[0] == "no_kubelet"
    assert (answer.done, answer.changed) == (False, False)


def test_a_process_that_is_no_container_of_kube_system_is_not_ended(place: Path) -> None:
    script(place, "docker", "#!/bin/sh\nexit 0\n")
    values = {"COMPONENTS": "kube-scheduler", "STARTED": "0", "RUNTIME": "docker", "SOCKET": "/run/docker.sock"}
    answer = run(place, "dash", "component_restart.sh", "kubelet >/dev/null 2>&1 & sleep 1;", **values)
    assert answer.refused is not None
    assert answer.refused[0] == "no_container"
    assert answer.changed is False


def test_the_backoff_is_reset_once(place: Path) -> None:
    script(place, "systemctl", '#!/bin/sh\n[ "$*" = "restart kubelet" ] && echo asked >>"${0%/*}/asked"\n')
    script(place, "curl", '#!/bin/sh\nprintf "ok\\n@code=200\\n"\n')
    began = run(
        place,
        "dash",
        "kubelet_backoff_reset.sh",
        "kubelet >/dev/null 2>&1 & sleep 1;",
        KUBELET_STARTED="9999999999",
        HEALTHZ="127.0.0.1:10248",
    )
    assert (began.done, began.changed) == (True, True)
    again = run(
        place,
        "bash",
        "kubelet_backoff_reset.sh",
        "kubelet >/dev/null 2>&1 & sleep 1;",
        KUBELET_STARTED="1000",
        HEALTHZ="127.0.0.1:10248",
    )
    assert (again.done, again.changed) == (True, False)
    assert again.lines == ["kubelet has been restarted meanwhile"]
    assert (place / "asked").read_text(encoding="utf-8") == "asked\n"
