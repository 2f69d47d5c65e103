"""The search for keys finds them in every form in which a careless run would leave them."""

from __future__ import annotations

import base64

import pytest

from scenarios.leaks import disguises

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.mark.parametrize("before", ["", "a", "ab", "      - name: key1\n        secret: "])
def test_a_key_inside_something_encoded_once_more(before: str) -> None:
    text = base64.b64encode(f"{before}{KEY}\n  - identity: {{}}\n".encode()).decode()
    assert KEY not in text
    assert any(form in text for form in disguises([KEY]))


def test_a_key_as_it_is_and_in_hex() -> None:
    assert {KEY, base64.b64decode(KEY).hex()} <= disguises([KEY])
    assert not any(form in "an innocent text" for form in disguises([KEY]))
