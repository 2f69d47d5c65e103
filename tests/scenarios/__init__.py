"""The lab scenarios: what each breaks and expects (story), what the operator runs (runs), what is asked on the nodes (nodes)."""
