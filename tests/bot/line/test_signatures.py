"""LINE's signature, by the vectors that the official kits publish."""

from __future__ import annotations

import pytest

from bot.adapters.line import Line
from bot.errors import ConfigurationError, MalformedPayload
from bot.testing.fakes import FakeLine

VECTORS = [
    ("channel_secret", b"bodybodybodybody", "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="),
    ("test_secret", b'{"hello":"world"}', "t7Hn4ZDHqs6e+wdvI5TyQIvzie0DmMUmuXEBqyyE/tM="),
    ("test_channel_secret", b"i am not jason", "Z8YlPpm0lQOqPipiCHVbiuwIDIzRzD7w5hvHgmwEuEs="),
]


@pytest.mark.parametrize(("secret", "body", "signature"), VECTORS)
def test_the_official_vectors_are_accepted_and_nothing_beside_them(secret: str, body: bytes, signature: str) -> None:
    adapter = Line("token", secret)
    assert adapter.verify({"X-Line-Signature": signature}, body)
    assert adapter.verify({"x-line-signature": signature}, body)
    assert not adapter.verify({"X-Line-Signature": signature}, body + b" ")
    assert not adapter.verify({"X-Line-Signature": signature.rstrip("=")}, body)
    assert not adapter.verify({"X-Line-Signature": signature.swapcase()}, body)
    assert not Line("token", secret + "x").verify({"X-Line-Signature": signature}, body)


@pytest.mark.parametrize(("secret", "body", "signature"), VECTORS)
def test_the_fake_signs_as_line_does(secret: str, body: bytes, signature: str) -> None:
    assert FakeLine(channel_secret=secret).sign(body)["X-Line-Signature"] == signature


def test_what_is_signed_and_no_json_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        Line("token", "test_channel_secret").parse(b"i am not jason")


@pytest.mark.parametrize("secret", ["", " x", "x\n", "鍵"])
def test_a_secret_that_was_copied_badly_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="channel_secret"):
        Line("token", secret)
    with pytest.raises(ConfigurationError, match="channel_access_token"):
        Line(secret, "secret")


def test_a_reserve_is_a_share() -> None:
    with pytest.raises(ConfigurationError, match="reserve_percent"):
        Line("token", "secret", reserve_percent=101)
