"""Frozen dataclasses to JSON and back, by their type hints; nothing else is understood."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import datetime
from typing import Any, TypeVar

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")
_HINTS: dict[type, dict[str, Any]] = {}


def to_plain(value: Any) -> Any:
    """Only dicts, lists, strings, numbers, booleans and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(v) for v in value]
    return value


def from_plain(kind: type[T], data: dict[str, Any]) -> T:
    """The dataclass again. Raises TypeError or KeyError where data is not of that shape."""
    result: T = _build(kind, data)
    return result


def _build(kind: Any, data: Any) -> Any:
    if data is None:
        return None
    origin = typing.get_origin(kind)
    args = typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _build(next(a for a in args if a is not type(None)), data)
    if origin is tuple:
        return tuple(_build(args[0], item) for item in data)
    if origin is dict:
        return {key: _build(args[1], value) for key, value in data.items()}
    if dataclasses.is_dataclass(kind):
        hints = _HINTS.setdefault(typing.cast(type, kind), typing.get_type_hints(kind))
        return typing.cast(Any, kind)(**{key: _build(hints[key], value) for key, value in data.items()})
    if kind is datetime:
        return datetime.fromisoformat(data)
    return data
