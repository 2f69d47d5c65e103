# shellcheck shell=sh
# What this node's kubeadm generates from a configuration: KR_ARG_CONFIG, in base64; KR_ARG_ETCD: yes, where it is local. An old
# kubeadm cannot but write into the manifests directory, so it gets an empty one of its own, which nobody else sees.
kr_have unshare || kr_refuse no_unshare "there is no unshare on this node, so kubeadm could only be asked where kubelet would see it"

# shellcheck disable=SC2016 # a script of its own
kr_generate='
  dir=/etc/kubernetes/manifests
  mount --make-rprivate / && mount -t tmpfs -o mode=700 tmpfs "$dir" && [ -z "$(ls -A "$dir")" ] || exit 1
  mkdir "$dir/kubeadm" && cat >"$dir/kubeadm/config" || exit 1
  phase() {
    kubeadm init phase "$@" --config "$dir/kubeadm/config" >"$dir/kubeadm/said" 2>&1 && return 0
    printf "@refused not_generated kubeadm cannot generate manifests from what was told of this cluster: %s\n" "$(tail -n 2 "$dir/kubeadm/said" | tr "\n" " ")"
    exit 3
  }
  phase control-plane all
  [ "$1" != yes ] || phase etcd local
  for c in kube-apiserver kube-controller-manager kube-scheduler etcd; do
    [ ! -e "$dir/$c.yaml" ] || printf "@value %s %s\n" "$c" "$(base64 <"$dir/$c.yaml" | tr -d "\n")"
  done'
printf %s "$KR_ARG_CONFIG" | base64 -d | kr_limit 120 unshare -m sh -c "$kr_generate" sh "$KR_ARG_ETCD"
case $? in
  0 | 3) ;;
  *) kr_refuse no_place "no private directory could be made for kubeadm to generate into" ;;
esac
