# shellcheck shell=sh
# Section apiserver.
kr_section_apiserver() {
  :
}
