"""Checks of layer pki."""
