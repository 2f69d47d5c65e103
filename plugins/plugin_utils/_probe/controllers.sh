# shellcheck shell=sh
# Section controllers.
kr_section_controllers() {
  :
}
