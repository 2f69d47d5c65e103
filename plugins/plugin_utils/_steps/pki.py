"""Repairs of layer pki: when they can be taken and what they would change."""
