"""Small charts as inline SVG: pure functions from figures to markup, no script, no outside resource.

Every chart stands beside a table with the same figures, so the drawing has one label for screen readers and no more.
Colours come from the page's style sheet through classes: `fill`, `line`, `grid`, `word`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup, escape

_LEFT, _TOP, _BOTTOM, _RIGHT = 34, 10, 22, 12


def reach_curve(
    points: Sequence[tuple[float, int]], whole: int, *, label: str, marks: Sequence[tuple[float, str]]
) -> Markup:
    """How a notice spread: minutes on a logarithmic axis, the share of `whole` upwards; `marks` name moments."""
    width, height = 380, 170
    last = max([1.0, *(minutes for minutes, _ in points), *(minutes for minutes, _ in marks)])

    def x(minutes: float) -> float:
        # log(1 + t) begins at 0, so that the moment of sending is on the axis.
        return _LEFT + (width - _LEFT - _RIGHT) * math.log1p(max(0.0, minutes)) / math.log1p(last)

    def y(share: float) -> float:
        return _TOP + (height - _TOP - _BOTTOM) * (1 - share)

    curve = [(x(0), y(0))] + [(x(minutes), y(read / whole if whole else 0)) for minutes, read in points]
    path = " ".join(f"{'L' if number else 'M'}{_at(left)} {_at(top)}" for number, (left, top) in enumerate(curve))
    area = f"{path} L{_at(curve[-1][0])} {_at(y(0))} Z"
    pieces = [_grid(y, width)]
    for minutes, name in marks:
        left = _at(x(minutes))
        pieces.append(
            Markup('<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(left, _TOP, _at(y(0)))
            + _word(left, height - 6, name, "middle")
        )
    pieces.append(Markup('<path class="area" d="{}"/><path class="line" d="{}"/>').format(area, path))
    return _svg(width, height, label, pieces)


def columns(bars: Sequence[tuple[str, int]], whole: int, *, label: str) -> Markup:
    """One upright bar for each (name, count), against `whole`."""
    width, height = 560, 200
    step = (width - _LEFT - _RIGHT) / max(1, len(bars))
    thick = min(54.0, step * 0.6)

    def y(share: float) -> float:
        return _TOP + 8 + (height - _TOP - 8 - _BOTTOM) * (1 - share)

    pieces = [_grid(y, width)]
    for position, (name, count) in enumerate(bars):
        middle = _LEFT + step * (position + 0.5)
        top = y(min(1.0, count / whole) if whole else 0)
        pieces.append(
            Markup('<rect class="fill" x="{}" y="{}" width="{}" height="{}" rx="2"/>').format(
                _at(middle - thick / 2), _at(top), _at(thick), _at(y(0) - top)
            )
            + _word(_at(middle), _at(top - 4), f"{count:,}", "middle")
            + _word(_at(middle), height - 6, name, "middle")
        )
    return _svg(width, height, label, pieces)


def bar(share: float) -> Markup:
    """A bar that fills `share` of a table's cell; the figure stands in the cell beside it, so readers skip it."""
    width = _at(100 * min(1.0, max(0.0, share)))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="rest" width="100" height="8"/><rect class="fill" width="{}" height="8"/></svg>'
    ).format(width)


def _grid(y: Callable[[float], float], width: int) -> Markup:
    return Markup("").join(
        Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _LEFT, width - _RIGHT, _at(y(part / 4)), _at(y(part / 4))
        )
        + _word(_LEFT - 5, _at(y(part / 4) + 4), f"{25 * part}%", "end")
        for part in (0, 2, 4)
    )


def _word(x: object, y: object, text: str, anchor: str) -> Markup:
    return Markup('<text class="word" x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _svg(width: int, height: int, label: str, pieces: Iterable[Markup]) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, escape(label), Markup("").join(pieces)
    )


def _at(place: float) -> str:
    """A coordinate with one place after the point: enough for the eye, and the same on every machine."""
    return f"{place:.1f}".removesuffix(".0")
