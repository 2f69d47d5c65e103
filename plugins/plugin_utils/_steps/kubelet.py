"""Repairs of layer kubelet: when they can be taken and what they would change."""
