# shellcheck shell=sh
# Section runtime.
kr_section_runtime() {
  :
}
