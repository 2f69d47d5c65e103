# shellcheck shell=sh
# Section host.
kr_section_host() {
  :
}
