"""Who leads and which node lives, by the freshest lease that any master's own apiserver tells of.

The Ready column is not asked: while nobody leads it goes on saying Ready of the dead (a controller-manager writes it).
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import Lease, NodeObject
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["STALE", "Heartbeats", "Pulse", "heartbeats", "leaders", "names_of"]

STALE = 60.0  # seconds; a kubelet renews every 10, a leader every 2, a node counts as gone after 40 to 50


@dataclass(frozen=True)
class Pulse:
    """A lease with its age at the moment it was read."""

    lease: Lease
    age: float | None  # seconds; None: never renewed
    teller: str  # the master that told it

    @property
    def fresh(self) -> bool:
        """Renewed within the last minute."""
        return self.age is not None and self.age <= STALE


@dataclass(frozen=True)
class Heartbeats:
    """The freshest of every lease, by namespace and name, and the Node objects by name."""

    pulses: dict[tuple[str, str], Pulse]
    nodes: dict[str, NodeObject]

    def component(self, name: str) -> Pulse | None:
        """The leader's lease of a kube-system component."""
        return self.pulses.get(("kube-system", name))

    def node(self, node: Node) -> Pulse | None:
        """The lease of that inventory host."""
        return next((self.pulses[key] for n in names_of(node) if (key := ("kube-node-lease", n)) in self.pulses), None)

    def object(self, node: Node) -> NodeObject | None:
        """The Node object of that inventory host."""
        return next((self.nodes[n] for n in names_of(node) if n in self.nodes), None)


def heartbeats(cluster: Cluster) -> Heartbeats | None:
    """What the masters tell; None where no apiserver let its leases be read."""
    pulses: dict[tuple[str, str], Pulse] = {}
    nodes: dict[str, NodeObject] = {}
    told = False
    for master in cluster.masters:
        facts = master.controllers
        if not master.reachable or facts is None or not facts.api_answers:
            continue
        told = True
        nodes.update({n.name: n for n in facts.nodes})
        for lease in facts.leases:
            pulse = Pulse(lease, _age(lease, master, cluster), master.name)
            best = pulses.get((lease.namespace, lease.name))
            if best is None or best.age is None or (pulse.age is not None and pulse.age < best.age):
                pulses[lease.namespace, lease.name] = pulse
    return Heartbeats(pulses, nodes) if told else None


def leaders(cluster: Cluster) -> frozenset[str]:
    """Masters whose controller-manager or scheduler leads."""
    beats = heartbeats(cluster)
    pulses = [beats.component(f"kube-{word}") for word in ("controller-manager", "scheduler")] if beats else []
    holders = {pulse.lease.holder.partition("_")[0] for pulse in pulses if pulse is not None and pulse.fresh}
    return frozenset(m.name for m in cluster.masters if holders & set(names_of(m)))


def names_of(node: Node) -> tuple[str, ...]:
    """The names its Node object may have, the likeliest first."""
    found = [node.kubelet.node_name if node.kubelet else "", node.host.hostname if node.host else "", node.name]
    return tuple(dict.fromkeys(name for name in found if name))


def _age(lease: Lease, teller: Node, cluster: Cluster) -> float | None:
    """Its holder's clock wrote the time, so the holder's skew is subtracted."""
    if lease.renewed is None:
        return None
    holder = lease.holder.partition("_")[0]
    skew = next((n.clock_skew for n in cluster.nodes if holder in names_of(n)), None)
    if skew is None and teller.controllers is not None and teller.controllers.now:
        return teller.controllers.now - lease.renewed.timestamp()
    seen = teller.seen_at or cluster.now
    return seen.timestamp() - (lease.renewed.timestamp() - (skew or 0.0))
