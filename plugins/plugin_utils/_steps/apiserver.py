"""Repairs of layer apiserver: when they can be taken and what they would change."""
