"""Ticked boxes as form services write them into one cell: labels joined by a separator, own words among them.

Microsoft Forms joins by ";" with one at the end, Google Forms by ", ", others and people by 、 or a line break.
A label may hold a separator itself. What can be read in two ways is refused, and never counted in silence.

What somebody types in the chat is read by the same rules, with two more: a number is the place on that person's screen
(`order`), and people also part their answers by blanks, と, /, ・ and the like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.errors import Refused
from bot.folding import fold
from surveys.definition import Option, WithOptions

_ALL = ";；\n,，、"
_SURE = ";；\n"
"""What people hardly write inside their own words or labels."""
_LOOSE = re.compile(r"[\s,、，.．・;；/＋+＆&と]+")
"""What people put between several answers that they type."""
_FIGURE = re.compile(r"\d")
_CODE = re.compile(r"(\d{1,3})(番目?)?")
_NUMBERS = re.compile(r"\d+")
_COUNTED = re.compile("([一二三四五六七八九])(?=[回日年人度時週月件台歳階つ名])")
_UP_TO = re.compile("未満|以下|以内|まで|under|below|lessthan|upto")


@dataclass(frozen=True, slots=True)
class Ticked:
    """Codes that were chosen, and own words beside them."""

    codes: tuple[int, ...]
    words: str = ""


def read_ticked(question: WithOptions, cell: str, *, several: bool, order: Sequence[int] | None = None) -> Ticked:
    """The options that a cell names; Refused if it names none or could mean several things.

    `order`: the codes as they stood on the screen, for what was typed in the chat; a cell's numbers are codes.
    """
    labels = _by_label(question.options)
    if (code := _code(labels, question.options, cell, order)) is not None:
        _sure(labels, cell, several=several, typed=order is not None)
        return Ticked((code,))
    if not several:
        return _with_words(question.options, [cell], [])
    if order is not None and (codes := _loosely(labels, question.options, cell, order)):
        return Ticked(codes)
    sure = any(sign in cell for sign in _SURE) and not any(sign in label for label in labels for sign in ";\n")
    atoms = _atoms(cell, _SURE if sure else _ALL)
    chosen, rest = _covered(atoms, labels, question.options, order, anywhere=sure)
    return Ticked(tuple(chosen)) if not rest else _with_words(question.options, rest, chosen)


def means_place(options: Sequence[Option], order: Sequence[int], number: int) -> bool:
    """Whether a bare number can only mean the option in that place, and not a figure that stands in a label.

    Beside 0, 1, 2, 3以上 it can not. It can where no label has a figure, where the label in that place begins with the
    same one, and where all figures are larger than any place (20代, 30代) and none of them is an upper bound (20以下).
    """
    if not 1 <= number <= len(order):
        return False
    found = [_figures(option.label) for option in options]
    if found[order[number - 1] - 1][:1] == [number] or not any(found):
        return True
    bounded = any(_UP_TO.search(fold(option.label)) for option in options)
    return not bounded and all(figure > len(options) for figures in found for figure in figures)


def _figures(label: str) -> list[int]:
    written = _COUNTED.sub(lambda kanji: str("一二三四五六七八九".index(kanji[1]) + 1), fold(label))
    return [int(figures[:9]) for figures in _NUMBERS.findall(written)]


def _by_label(options: Sequence[Option]) -> dict[str, int]:
    found: dict[str, int] = {}
    for code, option in enumerate(options, start=1):
        if found.setdefault(fold(option.label), code) != code:
            found[fold(option.label)] = 0  # two labels that differ only in how they are written
    return found


def _code(labels: dict[str, int], options: Sequence[Option], text: str, order: Sequence[int] | None) -> int | None:
    """The option that `text` is: by its label, exactly or folded, or by its number where that can mean no label."""
    for code, option in enumerate(options, start=1):
        if option.label == text:
            return code
    key = fold(text)
    if key in labels:
        if not labels[key]:
            raise Refused("survey.import.ambiguous")
        return labels[key]
    order = range(1, len(options) + 1) if order is None else order
    numbered = _CODE.fullmatch(key.strip("().:"))
    if numbered is None or not 1 <= int(numbered[1]) <= len(order):
        return None
    if not numbered[2] and not means_place(options, order, int(numbered[1])):
        raise Refused("survey.import.ambiguous")
    return order[int(numbered[1]) - 1]


def _sure(labels: dict[str, int], cell: str, *, several: bool, typed: bool) -> None:
    """Refused if a label that holds separators is also several other labels in a row."""
    if several:
        parts = [fold(part) for part in re.split(_LOOSE if typed else f"[{_ALL}]", cell) if part.strip()]
        if len(parts) > 1 and all(part in labels for part in parts):
            raise Refused("survey.import.ambiguous")


def _loosely(
    labels: dict[str, int], options: Sequence[Option], text: str, order: Sequence[int]
) -> tuple[int, ...] | None:
    """The options that `text` names in a row, parted by whatever people type; None if a piece is none."""
    pieces = [piece for piece in _LOOSE.split(text) if piece.strip("()（）")]
    codes = [_code(labels, options, piece, order) for piece in pieces]
    named = [code for code in codes if code is not None]
    return tuple(named) if len(named) == len(codes) else None


def _atoms(cell: str, separators: str) -> list[tuple[str, str]]:
    """The pieces between separators, each with the separator that follows it; blank ones are left out."""
    pieces = re.split(f"([{separators}])", cell)
    pairs = zip(pieces[::2], [*pieces[1::2], ""], strict=True)
    return [(text.strip(), sign) for text, sign in pairs if text.strip()]


def _covered(
    atoms: Sequence[tuple[str, str]],
    labels: dict[str, int],
    options: Sequence[Option],
    order: Sequence[int] | None,
    *,
    anywhere: bool,
) -> tuple[list[int], list[str]]:
    """The labels in a row of pieces and the pieces that are none; Refused where there are two ways to see labels."""
    widest = max(sum(label.count(sign) for sign in map(fold, _ALL)) for label in labels) + 1
    chosen: list[int] = []
    rest: list[str] = []
    place = 0
    while place < len(atoms):
        found: list[tuple[int, int]] = []
        for width in range(1, min(widest, len(atoms) - place) + 1):
            group = atoms[place : place + width]
            text = "".join(piece + sign for piece, sign in group[:-1]) + group[-1][0]
            if (code := _code(labels, options, text, order)) is not None:
                found.append((width, code))
        if len(found) > 1:
            raise Refused("survey.import.ambiguous")
        if found:
            if rest and not anywhere:
                raise Refused("survey.import.ambiguous")  # own words with a comma, or a box after own words?
            chosen.append(found[0][1])
            place += found[0][0]
        else:
            piece, sign = atoms[place]
            rest.append(piece + (sign if sign and place + 1 < len(atoms) else ""))
            place += 1
    return chosen, rest


def _with_words(options: Sequence[Option], rest: Sequence[str], chosen: Sequence[int]) -> Ticked:
    """What is no label is written to "other", if there is one such option."""
    others = [code for code, option in enumerate(options, start=1) if option.other]
    words = " ".join(rest).rstrip(_ALL + " ").strip()
    figures = any(_FIGURE.match(fold(option.label)) for option in options)
    if len(others) != 1 or (figures and _FIGURE.match(fold(words))):
        raise Refused("survey.import.unreadable")
    label = options[others[0] - 1].label
    if words.startswith(label):
        words = words[len(label) :].strip(" 　:：()（）「」、,.-") or words
    return Ticked(tuple(sorted({*chosen, others[0]})), words)
