"""Repairs of layer runtime: when they can be taken and what they would change."""
