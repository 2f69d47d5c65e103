"""Molecule's phases for the lab: python -m scenarios.phases create|prepare|converge|destroy, in a scenario's environment."""

from __future__ import annotations

import json
import shutil
import sys
import time

from scenarios import unattended
from scenarios.client import CLIENT, keep, served
from scenarios.interrupts import interrupt, kill_at_random
from scenarios.leaks import encryption_keys, watched
from scenarios.nodes import digest, journals, key_material
from scenarios.runs import Run, lab, play
from scenarios.story import Story, of_this_process

__all__ = ["converge", "create", "destroy", "expected_rc", "main", "prepare"]


def create(story: Story) -> None:
    """A fresh cluster, and what must be the same at the end."""
    shutil.rmtree(story.out, ignore_errors=True)
    story.out.mkdir(parents=True)
    secrets = ["--encryption", story.encryption] if story.encryption else []
    plane = ["--control-plane", story.control_plane]
    masters, workers = story.topology.split("+")
    size = ["--masters", masters, "--workers", workers]
    lab("up", "--profile", story.profile, "--name", story.name, *secrets, *plane, *size, timeout=3600)
    for other in story.beside:
        lab("up", "--profile", other["profile"], "--name", other["name"], *size, timeout=3600)
    if story.unattended:
        reaches = ["--reaches", *story.labs[1:]] if story.beside else []
        lab("control", "--name", story.name, *reaches, timeout=1800)
    story.inventory.write_text(lab("inventory", "--name", story.name, "--user", story.user), encoding="utf-8")
    (story.out / "data.json").write_text(lab("snapshot-data", "--name", story.name), encoding="utf-8")


def prepare(story: Story) -> None:
    """Break it, and note the state the operator finds."""
    for fault in story.breaks:
        on = ["--on", *fault["at"]] if "at" in fault else []
        lab("break", "--name", story.name, fault["fault"], *on)
    for other in story.beside:
        lab("break", "--name", other["name"], other["fault"])
        if other.get("cut"):
            lab("cut", "--name", other["name"])
    if story.off:
        lab("cut", "--name", story.name, *story.off)
    if story.breaks or story.off:
        time.sleep(story.settle)
    (story.out / "broken.json").write_text(json.dumps(digest(story)), encoding="utf-8")
    if story.debug:
        (story.out / "keys.txt").write_text(
            "\n".join(sorted(key_material(story) | encryption_keys(story))), encoding="utf-8"
        )


def expected_rc(story: Story) -> int:
    """The exit code is the end state's."""
    return 0 if story.ends_well else 2


def converge(story: Story) -> bool:
    """The operator's run; true when it changed something. Anything unexpected ends the phase with all a reader needs."""
    number = len(list(story.out.glob("converge-*"))) + 1
    if number == 1:
        for place, (at, when) in enumerate(story.interrupt, 1):
            interrupt(story, place, at, when)
        kill_at_random(story)
    debug = story.debug and number == 1
    if story.unattended and number == 1:
        unattended.schedule(story)
    with watched(story, debug) as seen, served(story, story.served and number == 1) as tallies:
        run = _run(story, number, debug)
    if seen:
        raise SystemExit(f"scenario {story.name}: encryption keys were in processes: {sorted(seen)}")
    print(_tail(run))
    if tallies:
        keep(story, CLIENT, tallies)
    if run.rc != expected_rc(story):
        print(journals(story))
        raise SystemExit(f"scenario {story.name}: {story.playbook} ended with rc {run.rc}, not {expected_rc(story)}")
    return run.changed > 0


def _run(story: Story, number: int, debug: bool) -> Run:
    name = f"converge-{number}"
    if not story.unattended:
        return play(story, story.playbook, name, debug=debug)
    return unattended.by_timer(story, "renew", name) if number == 1 else unattended.by_hand(story, "renew", name)


def destroy(story: Story) -> None:
    """Nothing stays; what the runs said stays in tests/output."""
    for name in story.labs:
        lab("down", "--name", name)


def _tail(run: Run) -> str:
    """Debug switches make tens of thousands of lines: the file has them."""
    lines = run.text.splitlines()
    return "\n".join(lines) if len(lines) < 400 else "\n".join([f"… {len(lines)} lines in {run.log}", *lines[-150:]])


def main(words: list[str]) -> None:
    """One phase of the scenario that Molecule's environment names."""
    phase = {"create": create, "prepare": prepare, "converge": converge, "destroy": destroy}[words[0]]
    try:
        if phase(of_this_process()):
            print("THE RUN CHANGED SOMETHING")
    except SystemExit as end:
        print(end)  # Ansible shows stdout last: the reason stands at the end of what a reader sees
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
