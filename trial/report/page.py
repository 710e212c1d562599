"""`report.html`: one file that is readable offline and prints on A4; the template is `trial/templates/report.html`."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bot.texts import Texts
from trial.report import charts
from trial.report.figures import share
from trial.report.model import Broadcast, Report

_DAY = 24 * 60
_MARKS = ((5.0, "5分"), (15.0, "15分"), (60.0, "1時間"), (float(_DAY), "24時間"))


def render(report: Report) -> str:
    """The whole page, styles and charts included; it fetches nothing and runs no script."""
    texts = Texts("trial")

    def word(group: str, key: str) -> str:
        """A catalogue's word, or the key itself for a kind that the catalogue does not know yet."""
        name = f"{group}.{key}"
        return texts(name) if name in texts else key

    def reach(broadcast: Broadcast) -> Markup:
        points = [(float(point.minutes), point.read) for point in broadcast.reach]
        label = texts(
            "chart.reach",
            title=broadcast.title,
            hour=percent(share(broadcast.read_within.one_hour, broadcast.recipients)),
            last=percent(share(broadcast.read, broadcast.recipients)),
        )
        return charts.reach_curve(points, broadcast.recipients, label=label, marks=_MARKS)

    months = [(month.month.replace("-", "."), month.users) for month in report.adoption.monthly_active]
    return _template().render(
        report=report,
        word=word,
        reach=reach,
        bar=charts.bar,
        adoption=charts.columns(months, report.staff, label=texts("chart.adoption")),
        totals=_totals(report),
    )


def percent(value: float) -> str:
    """A share as people read it: `83.1%`."""
    return f"{100 * value:.1f}%"


def yen(value: int | None) -> str:
    """An amount in groups of three figures; a dash where it is negotiated."""
    return "—" if value is None else f"{value:,}"


def _totals(report: Report) -> dict[str, float]:
    """The shares over all notices together."""
    # Who had not read a recalled notice by then never could: it is no measure of what arrives.
    standing = [broadcast for broadcast in report.broadcasts if not broadcast.recalled]
    recipients = sum(broadcast.recipients for broadcast in standing)
    asked = sum(survey.asked for survey in report.surveys)
    return {
        "recipients": recipients,
        "duplicates": sum(broadcast.duplicates for broadcast in report.broadcasts),
        "delivered": share(sum(broadcast.delivered for broadcast in standing), recipients),
        "read": share(sum(broadcast.read for broadcast in standing), recipients),
        "hour": share(sum(broadcast.read_within.one_hour for broadcast in standing), recipients),
        "answered": share(sum(survey.respondents for survey in report.surveys), asked),
    }


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("trial"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "yen": yen}
    environment.globals["share"] = share
    return environment.get_template("report.html")
