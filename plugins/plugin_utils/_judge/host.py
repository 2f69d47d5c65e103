"""Checks of layer host."""
