"""python -m kuberevive_run JOB."""

from __future__ import annotations

import sys

from kuberevive_run.main import main

if __name__ == "__main__":  # each cluster's process imports this file again
    sys.exit(main())
