"""Numbers as people read them, in one way for page and terminal."""

from __future__ import annotations

from bot.texts import Texts
from trial.evaluation.criteria import Criterion
from trial.evaluation.figures import FIGURES, Figure, Nature
from trial.evaluation.table import Cell, Kind

MISSING = "—"


def shown(value: Cell, kind: str, texts: Texts) -> str:
    """A table's cell: `83.1%`, `1時間05分`, `1,142`; a dash where nothing is known."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return value
    if kind == "share":
        return f"{100 * value:.1f}%"
    if kind == "minutes":
        return span(value, texts)
    if kind == "points":
        return f"{value:,.2f}" if value != int(value) else f"{value:,.0f}"
    if kind == "hours":
        return texts("unit.hour", count=f"{value:,.1f}" if value != int(value) else f"{value:,.0f}")
    return f"{value:,.0f}"


def span(minutes: float, texts: Texts) -> str:
    """Minutes in the largest units that fit; fractions of a minute only below ten."""
    if minutes < 10 and minutes != int(minutes):
        return texts("unit.minutes", count=f"{minutes:.2f}")
    whole = round(minutes)
    if whole < 60:
        return texts("unit.minutes", count=whole)
    if whole < 24 * 60:
        return texts("unit.hours", hours=whole // 60, minutes=whole % 60)
    return texts("unit.days", days=whole // (24 * 60), hours=whole % (24 * 60) // 60)


def figure(found: Figure, texts: Texts) -> str:
    """A figure with its unit."""
    return with_unit(found.value, found.key, texts)


def bar(criterion: Criterion, texts: Texts) -> str:
    """A bar as a sentence: `80.0% 以上`."""
    words = with_unit(criterion.bar, criterion.figure, texts)
    return texts("bar.at_least" if criterion.at_least is not None else "bar.at_most", bar=words)


def with_unit(value: float | None, key: str, texts: Texts) -> str:
    unit: Kind = FIGURES[key][0]
    words = shown(value, unit, texts)
    return texts(f"unit.{unit}", count=words) if value is not None and unit in {"count", "yen", "points"} else words


def mark(nature: Nature, simulated: bool, texts: Texts) -> str:
    """How a number came about, in a word: counted in a rehearsal is simulated."""
    return texts(f"nature.{'simulated' if simulated and nature == 'counted' else nature}")
