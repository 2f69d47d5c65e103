"""Checks of layer etcd."""
