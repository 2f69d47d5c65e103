# shellcheck shell=sh
# Section etcd.
kr_section_etcd() {
  :
}
