"""Which finding explains which: one table, and the order root cause first that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Cluster, Finding

__all__ = ["RULES", "Rule", "link"]


@dataclass(frozen=True)
class Rule:
    """effect is explained by cause. where: same (node) | any (node) | master (any master)."""

    effect: str
    cause: str
    where: str = "same"


# The first rule that fits wins, so the nearest cause stands first.
RULES: tuple[Rule, ...] = (
    Rule("pki.cert_not_yet_valid", "host.clock_wrong"),
    Rule("kubelet.bootstrap_kubeconfig_missing", "kubelet.client_cert_expired"),
    Rule("kubelet.bootstrap_kubeconfig_missing", "kubelet.client_cert_empty"),
    Rule("kubelet.bootstrap_kubeconfig_missing", "kubelet.kubeconfig_missing"),
    Rule("kubelet.bootstrap_kubeconfig_missing", "kubelet.client_cert_untrusted"),
    Rule("kubelet.down", "kubelet.config_missing"),
    Rule("kubelet.down", "kubelet.client_cert_expired"),
    Rule("kubelet.down", "kubelet.client_cert_empty"),
    Rule("kubelet.down", "kubelet.kubeconfig_missing"),
    Rule("kubelet.down", "kubelet.checkpoint_broken"),
    Rule("kubelet.down", "kubelet.serving_cert_unusable"),
    Rule("kubelet.down", "host.swap_on"),
    Rule("kubelet.down", "host.service_disabled"),
    Rule("kubelet.down", "runtime.down"),
    Rule("kubelet.down", "host.disk_full"),
    Rule("kubelet.down", "host.inodes_exhausted"),
    Rule("kubelet.down", "host.readonly_root"),
    Rule("kubelet.restart_needed", "kubelet.checkpoint_broken"),
    Rule("kubelet.restart_needed", "kubelet.config_missing"),
    Rule("kubelet.restart_needed", "kubelet.kubeconfig_missing"),
    Rule("kubelet.restart_needed", "kubelet.client_cert_expired"),
    Rule("kubelet.restart_needed", "kubelet.client_cert_near_expiry"),
    Rule("kubelet.restart_needed", "kubelet.client_cert_empty"),
    Rule("kubelet.restart_needed", "kubelet.client_cert_untrusted"),
    Rule("kubelet.restart_needed", "kubelet.embedded_admin_credential"),
    Rule("runtime.down", "runtime.config_empty"),
    Rule("runtime.down", "host.readonly_root"),
    Rule("runtime.down", "host.disk_full"),
    Rule("runtime.down", "host.inodes_exhausted"),
    Rule("etcd.data_dir_empty", "host.mount_missing"),
    Rule("etcd.member_data_lost", "host.mount_missing"),
    # Counted by what lies on disk, so neither certificates nor kubelets can be its cause.
    Rule("etcd.quorum_lost", "etcd.member_data_lost", "master"),
    Rule("etcd.quorum_lost", "etcd.data_dir_empty", "master"),
    Rule("etcd.quorum_lost", "host.unreachable", "master"),
    Rule("etcd.start_unsafe", "etcd.member_data_lost"),
    Rule("etcd.start_unsafe", "etcd.data_dir_empty"),
    Rule("etcd.start_unsafe", "etcd.member_removed"),
    Rule("etcd.replacement_unfinished", "etcd.member_data_lost"),
    Rule("etcd.replacement_unfinished", "etcd.data_dir_empty"),
    Rule("etcd.replacement_unfinished", "etcd.member_removed"),
    Rule("etcd.learner_stuck", "etcd.replacement_unfinished"),
    Rule("etcd.member_unreachable", "etcd.member_data_lost"),
    Rule("etcd.member_unreachable", "etcd.data_dir_empty"),
    Rule("etcd.member_unreachable", "etcd.member_removed"),
    Rule("etcd.member_unreachable", "pki.cert_expired"),
    Rule("etcd.member_unreachable", "pki.cert_unreadable"),
    Rule("etcd.member_unreachable", "pki.cert_not_yet_valid"),
    Rule("etcd.member_unreachable", "kubelet.down"),
    Rule("etcd.member_unreachable", "runtime.down"),
    Rule("etcd.member_unreachable", "host.disk_full"),
    Rule("etcd.member_unreachable", "etcd.learner_stuck"),  # a learner answers no linearizable reads
    Rule("etcd.member_unreachable", "etcd.replacement_unfinished"),
    Rule("etcd.member_unreachable", "etcd.quorum_lost", "any"),
    Rule("etcd.member_unreachable", "pki.cert_expired", "master"),
    Rule("etcd.member_unreachable", "kubelet.down", "master"),
    Rule("etcd.member_unreachable", "host.service_disabled"),
    Rule("etcd.crash_loop_backoff", "etcd.member_data_lost"),
    Rule("etcd.crash_loop_backoff", "etcd.member_removed"),
    Rule("etcd.crash_loop_backoff", "pki.cert_expired"),
    Rule("etcd.crash_loop_backoff", "pki.cert_unreadable"),
    Rule("etcd.crash_loop_backoff", "pki.cert_not_yet_valid"),
    Rule("apiserver.encryption_config_not_loaded", "apiserver.encryption_key_differs"),
    Rule("apiserver.encryption_mixed_keys", "apiserver.encryption_key_differs", "master"),
    Rule("apiserver.down", "kubelet.down"),
    Rule("apiserver.down", "runtime.down"),
    Rule("apiserver.down", "apiserver.manifest_broken"),
    Rule("apiserver.down", "apiserver.flag_rejected"),
    Rule("apiserver.down", "apiserver.probe_unauthorized"),
    Rule("apiserver.down", "apiserver.probe_misdirected"),
    Rule("apiserver.down", "etcd.quorum_lost", "any"),
    Rule("apiserver.down", "etcd.member_data_lost"),
    Rule("apiserver.down", "etcd.data_dir_empty"),
    Rule("apiserver.down", "etcd.member_removed"),
    Rule("apiserver.down", "etcd.member_unreachable"),
    Rule("apiserver.down", "pki.cert_expired"),
    Rule("apiserver.down", "pki.cert_unreadable"),
    Rule("apiserver.down", "pki.cert_not_yet_valid"),
    Rule("apiserver.down", "apiserver.crash_loop_backoff"),
    Rule("apiserver.down", "host.service_disabled"),
    Rule("apiserver.not_ready", "etcd.quorum_lost", "any"),
    Rule("apiserver.not_ready", "etcd.member_data_lost"),
    Rule("apiserver.not_ready", "etcd.data_dir_empty"),
    Rule("apiserver.not_ready", "etcd.member_removed"),
    Rule("apiserver.not_ready", "etcd.member_unreachable"),
    Rule("apiserver.not_ready", "pki.cert_expired"),
    Rule("apiserver.not_ready", "pki.served_cert_stale"),
    Rule("apiserver.crash_loop_backoff", "etcd.quorum_lost", "any"),
    Rule("apiserver.crash_loop_backoff", "etcd.member_unreachable"),
    Rule("apiserver.crash_loop_backoff", "apiserver.probe_unauthorized"),
    Rule("apiserver.crash_loop_backoff", "apiserver.flag_rejected"),
    Rule("apiserver.crash_loop_backoff", "etcd.member_data_lost"),
    Rule("apiserver.crash_loop_backoff", "etcd.data_dir_empty"),
    Rule("apiserver.crash_loop_backoff", "etcd.member_removed"),
    Rule("apiserver.crash_loop_backoff", "pki.cert_expired"),
    Rule("apiserver.crash_loop_backoff", "pki.cert_unreadable"),
    Rule("apiserver.crash_loop_backoff", "pki.cert_not_yet_valid"),
    Rule("apiserver.down", "apiserver.encryption_config_missing"),
    Rule("apiserver.down", "apiserver.encryption_config_invalid"),
    Rule("apiserver.down", "apiserver.encryption_key_differs"),
    Rule("apiserver.not_ready", "apiserver.encryption_config_missing"),
    Rule("apiserver.not_ready", "apiserver.encryption_config_invalid"),
    Rule("apiserver.not_ready", "apiserver.encryption_key_differs"),
    Rule("apiserver.crash_loop_backoff", "apiserver.encryption_config_missing"),
    Rule("apiserver.crash_loop_backoff", "apiserver.encryption_config_invalid"),
    Rule("apiserver.crash_loop_backoff", "apiserver.encryption_key_differs"),
    Rule("apiserver.canary_failed", "apiserver.encryption_mixed_keys", "master"),
    Rule("apiserver.canary_failed", "apiserver.encryption_records_unreadable", "master"),
    Rule("apiserver.not_ready", "apiserver.probe_unauthorized"),
    Rule("apiserver.not_ready", "apiserver.probe_misdirected"),
    Rule("apiserver.not_ready", "rbac.bootstrap_object_missing", "any"),
    Rule("apiserver.not_ready", "rbac.bootstrap_rules_missing", "any"),
    Rule("apiserver.down", "rbac.bootstrap_object_missing", "any"),
    Rule("apiserver.canary_failed", "rbac.bootstrap_object_missing", "any"),
    Rule("controllers.unauthorized", "pki.kubeconfig_expired"),
    Rule("controllers.lease_stale", "controllers.unauthorized", "master"),
    Rule("controllers.lease_stale", "pki.kubeconfig_expired", "master"),
    Rule("controllers.lease_stale", "controllers.crash_loop_backoff", "master"),
    Rule("controllers.lease_stale", "controllers.down", "master"),
    Rule("controllers.lease_stale", "rbac.bootstrap_object_missing", "any"),
    Rule("controllers.lease_stale", "rbac.bootstrap_rules_missing", "any"),
    Rule("controllers.lease_stale", "rbac.autoupdate_off", "any"),
    Rule("controllers.lease_stale", "apiserver.down", "any"),
    Rule("controllers.lease_stale", "apiserver.not_ready", "any"),
    Rule("controllers.down", "kubelet.down"),
    Rule("controllers.down", "runtime.down"),
    Rule("controllers.down", "pki.cert_unreadable"),
    Rule("controllers.down", "pki.kubeconfig_expired"),
    Rule("controllers.down", "apiserver.down"),
    Rule("controllers.down", "apiserver.not_ready"),
    Rule("controllers.down", "controllers.crash_loop_backoff"),
    Rule("controllers.down", "rbac.bootstrap_object_missing", "any"),
    Rule("controllers.crash_loop_backoff", "rbac.bootstrap_object_missing", "any"),
    Rule("controllers.down", "host.service_disabled"),
    Rule("controllers.crash_loop_backoff", "pki.cert_unreadable"),
    Rule("controllers.crash_loop_backoff", "pki.kubeconfig_expired"),
    Rule("controllers.crash_loop_backoff", "apiserver.down"),
    Rule("controllers.crash_loop_backoff", "apiserver.not_ready"),
    Rule("node.not_ready", "kubelet.down"),
    Rule("node.not_ready", "runtime.down"),
    Rule("node.not_ready", "kubelet.client_cert_expired"),
    Rule("node.not_ready", "kubelet.client_cert_empty"),
    Rule("node.not_ready", "host.disk_full"),
    Rule("node.not_ready", "host.unreachable"),
    Rule("node.not_ready", "rbac.bootstrap_object_missing", "any"),
    Rule("node.not_ready", "apiserver.not_ready"),  # a master's kubelet may ask its own API server only
    Rule("node.not_ready", "apiserver.down", "any"),
)

_SEVERITY = {"critical": 0, "warning": 1, "info": 2}


def link(findings: tuple[Finding, ...], cluster: Cluster) -> tuple[Finding, ...]:
    """The same findings with their causes named, root causes first, then by layer, severity and host."""
    masters = {n.name for n in cluster.masters}
    linked = tuple(replace(f, cause=_cause(f, findings, masters)) for f in findings)
    return tuple(sorted(linked, key=_order))


def _cause(finding: Finding, findings: tuple[Finding, ...], masters: set[str]) -> str:
    if finding.cause:
        return finding.cause
    for rule in RULES:
        if rule.effect != finding.code:
            continue
        for other in findings:
            if other.code == rule.cause and _near(rule, finding, other, masters):
                return other.id
    return ""


def _near(rule: Rule, finding: Finding, other: Finding, masters: set[str]) -> bool:
    if rule.where == "same":
        return other.host == finding.host
    return rule.where == "any" or other.host in masters


def _order(finding: Finding) -> tuple[int, int, int, str, str]:
    layer = finding.code.partition(".")[0]
    return (
        1 if finding.cause else 0,
        _SEVERITY[finding.severity],
        LAYERS.index(layer) if layer in LAYERS else len(LAYERS),
        finding.code,
        finding.host,
    )
