"""Units of systemd, as systemctl show tells them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Output, Section

__all__ = ["HOLD", "Unit", "held_by", "read_units", "unit_of"]

HOLD = "90-kuberevive-hold.conf"  # the drop-in by which a step keeps a unit from being started


@dataclass(frozen=True)
class Unit:
    """A systemd unit as systemctl show tells it."""

    name: str
    load: str  # loaded | not-found | masked
    active: str  # active | inactive | failed | activating …
    enabled: str  # enabled | disabled | masked | static | ""
    result: str = ""  # success | start-limit-hit | exit-code …
    restarts: int = 0
    restart: str = ""  # no | on-failure | always …
    drop_ins: tuple[str, ...] = ()  # paths

    @property
    def told(self) -> str:
        """What systemctl said, in a line."""
        return (
            f"systemctl show {self.name}: UnitFileState={self.enabled} ActiveState={self.active}"
            f" Result={self.result} NRestarts={self.restarts}"
        )

    @property
    def given_up(self) -> bool:
        """Whether systemd has stopped trying (Result may still tell of the last exit instead of the start limit)."""
        return self.active == "failed" and (
            self.result == "start-limit-hit" or self.restart in ("always", "on-failure")
        )


def read_units(output: Output | None) -> tuple[Unit, ...]:
    """What systemctl show printed of one unit or of several."""
    units = []
    for block in re.split(r"\n\s*\n", output.text if output and output.rc == 0 else ""):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id"):
            units.append(
                Unit(
                    name=values["Id"].removesuffix(".service"),
                    load=values.get("LoadState", ""),
                    active=values.get("ActiveState", ""),
                    enabled=values.get("UnitFileState", ""),
                    result=values.get("Result", ""),
                    restarts=int(restarts) if (restarts := values.get("NRestarts", "")).isdigit() else 0,
                    restart=values.get("Restart", ""),
                    drop_ins=tuple(values.get("DropInPaths", "").split()),
                )
            )
    return tuple(units)


def held_by(unit: Unit | None) -> str:
    """The drop-in of a run that keeps it from being started, or empty."""
    return next((path for path in unit.drop_ins if path.endswith(f"/{HOLD}")), "") if unit else ""


def unit_of(section: Section, component: str) -> Unit | None:
    """The unit that runs a component of the control plane; None: nothing was told of one."""
    return next(iter(read_units(section.outputs.get(f"{component}.unit_state"))), None)
