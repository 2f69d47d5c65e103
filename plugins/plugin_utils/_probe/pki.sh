# shellcheck shell=sh
# Section pki.
kr_section_pki() {
  :
}
