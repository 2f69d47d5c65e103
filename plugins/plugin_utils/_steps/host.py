"""Repairs of layer host: when they can be taken and what they would change."""
