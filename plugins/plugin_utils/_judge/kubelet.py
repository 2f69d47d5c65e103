"""Checks of layer kubelet."""
