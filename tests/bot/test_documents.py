"""Files that people write: whatever stands in one, it is read or it is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.documents import read_toml, read_yaml


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (read_toml, "a = " + "9" * 5_000, "too many figures"),
        (read_toml, "a = [{b = 0x" + "f" * 5_000 + "}]", "too many figures"),
        (read_toml, "a = " + "[" * 20_000, "too deeply"),
        (read_toml, "a = 2023-02-30", "Invalid date"),
        (read_yaml, "a: " + "9" * 5_000, "cannot be"),
        (read_yaml, "a: [0x" + "f" * 5_000 + "]", "too many figures"),
        (read_yaml, "[" * 5_000, "too deeply"),
        (read_yaml, "a: 2023-02-30", "cannot be"),
        (read_yaml, "a: !!timestamp x", "cannot be"),
        (read_yaml, "a: b: c", "line 1, column 5: not valid YAML: "),
    ],
)
def test_what_the_libraries_let_through_is_a_sentence_too(read: Callable[[str], object], text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text)


def test_a_document_that_contains_itself_is_looked_at_once() -> None:
    document = read_yaml("a: &a [1, *a]")
    assert isinstance(document, dict)
    assert document["a"][1] is document["a"]


_SIGNS = st.text(st.sampled_from("a1-0:=[]{}&*!?|>'\"#\\\n .,TZ日\ufeff\0~<"), max_size=40)


@given(_SIGNS)
def test_no_text_breaks_the_readers(text: str) -> None:
    for read in (read_toml, read_yaml):
        with suppress(ValueError):
            read(text)
