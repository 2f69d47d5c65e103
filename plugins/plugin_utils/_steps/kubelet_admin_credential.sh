# shellcheck shell=sh
# Cluster-admin credentials that the kubelet does not use itself go into the run's vault.
IFS='
'
for kr_admin in $KR_ARG_PATHS; do
  case $(kr_subject <"$kr_admin" 2>/dev/null) in
    *O=system:masters* | *O=kubeadm:cluster-admins*)
      kr_aside "$kr_admin"
      kr_did "moved the cluster-admin credential $kr_admin to $KR_ASIDE; treat it as leaked (one of system:masters holds until the CA is replaced)"
      ;;
  esac
done
