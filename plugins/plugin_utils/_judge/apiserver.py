"""Checks of layer apiserver."""
