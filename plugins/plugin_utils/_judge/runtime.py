"""Checks of layer runtime."""
