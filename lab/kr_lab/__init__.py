"""A real Kubernetes cluster on one machine, with faults, for tests and for people."""
