"""Entry point of ``python -m kr_lab``."""

import sys

from kr_lab.cli import main

sys.exit(main(sys.argv[1:]))
