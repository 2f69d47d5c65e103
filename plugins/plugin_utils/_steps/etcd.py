"""Repairs of layer etcd: when they can be taken and what they would change."""
