"""A comparison between months as a paper, for the same exports as every other table."""

from __future__ import annotations

from collections.abc import Iterator

from bot.texts import Texts
from surveys.exports.paper import HIDDEN, Block, Field, Paper, Share, association_remarks
from surveys.months import LEVEL, Comparison, Line, Month, Trend


def trends_paper(comparison: Comparison, texts: Texts) -> Paper:
    """The paper: a block for each question, the months side by side; its day and answers are those of the last."""
    last = comparison.months[-1]
    return Paper(
        title=texts("survey.months.title", title=comparison.title),
        day=last.day,
        respondents=last.respondents,
        tables=(),
        blocks=[_block(trend, texts) for trend in comparison.trends],
        number=last.survey_id,
        key=comparison.key,
    )


def _block(trend: Trend, texts: Texts) -> Block:
    header: list[Field] = [texts("survey.paper.answer")]
    for name in _names(trend.months):
        header += (texts("survey.months.count", month=name), texts("survey.months.share", month=name))
    header += (texts("survey.months.change"), texts("survey.months.p"), texts("survey.months.verdict"))
    lines = [(line.label, *_fields(line, texts)) for line in trend.lines]
    totals = frozenset({len(lines)})
    hidden = not lines or any(HIDDEN in line for line in lines)
    answered = [HIDDEN if count is None else count for count in trend.answered]
    lines.append((texts("survey.months.answered"), *_spread(answered), None, None, None))
    if any(mean is not None for mean in trend.means):
        means = [None if mean is None else round(mean, 2) for mean in trend.means]
        lines.append((texts("survey.paper.mean"), *_spread(means), None, None, None))
    return Block(
        trend.text,
        tuple(header),
        tuple(lines),
        compared=() if hidden else tuple(range(2, 2 + 2 * len(trend.months), 2)),
        totals=totals,
        remarks=tuple(_remarks(trend, texts)),
    )


def _fields(line: Line, texts: Texts) -> Iterator[Field]:
    for count, share in zip(line.counts, line.shares, strict=True):
        yield HIDDEN if count is None else count
        yield HIDDEN if count is None else None if share is None else Share(share)
    yield None if line.change is None else round(line.change * 100, 1) + 0.0
    yield None if line.p is None else round(line.p, 4)
    if line.p is None:
        yield None
    elif line.p >= LEVEL:
        yield texts("survey.months.chance")
    else:
        yield texts("survey.months.more" if (line.change or 0) > 0 else "survey.months.less")


def _spread(values: list[Field] | list[int | str] | list[float | None]) -> Iterator[Field]:
    """Each value in the column of counts, and nothing in that of shares."""
    for value in values:
        yield value
        yield None


def _remarks(trend: Trend, texts: Texts) -> Iterator[str]:
    if trend.association is not None:
        yield from association_remarks(trend.association, texts)
    yield texts("survey.months.remark", level=f"{LEVEL:.0%}")


def _names(months: tuple[Month, ...]) -> list[str]:
    """ "2023-07", or the day where a month has two surveys."""
    names = [f"{month.day:%Y-%m}" for month in months]
    return names if len(set(names)) == len(names) else [f"{month.day:%Y-%m-%d} #{month.survey_id}" for month in months]
