"""Checks of layer controllers."""
