"""Repairs of layer controllers: when they can be taken and what they would change."""
