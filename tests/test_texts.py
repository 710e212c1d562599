"""Every catalogue says the same things in Japanese and in English."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from bot.texts import load

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(
    ".".join(path.parent.parent.relative_to(ROOT).parts)
    for room in ("bot", "broadcasts", "surveys", "handlers", "trial", "config")
    for path in (ROOT / room).rglob("texts/ja.toml")
)


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("package", PACKAGES)
def test_both_languages_have_the_same_sentences_with_the_same_values(package: str) -> None:
    japanese, english = load(package, "ja"), load(package, "en")
    assert japanese.keys() == english.keys()
    assert {key: fields(text) for key, text in japanese.items()} == {key: fields(text) for key, text in english.items()}


def test_there_are_catalogues() -> None:
    assert PACKAGES
