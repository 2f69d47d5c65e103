"""kuberevive-run: one job of the jobs file, on every cluster it names, unattended."""
