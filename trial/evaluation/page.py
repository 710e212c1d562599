"""`evaluation.html`: one file that is readable offline and prints on A4; the template is `evaluation.html`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from trial.evaluation import wording
from trial.evaluation.figures import Nature
from trial.evaluation.paper import Paper
from trial.evaluation.table import Cell, Kind, Table
from trial.report import charts

TILES = (
    "active_share_last_month",
    "notice_read_share_24h",
    "emergency_read_share_1h",
    "muster_reply_share",
    "satisfaction_mean",
    "yen_first_full_year",
    "yen_saved",
    "break_even_minutes",
)
"""The figures at the top; those that are not known are left out there."""
CLASSES: Mapping[Kind, str] = defaultdict(lambda: "n", {"text": "t", "words": "w"})


def render(paper: Paper) -> str:
    """The whole page, styles and charts included; it fetches nothing and runs no script."""
    texts = paper.texts

    def mark(nature: Nature) -> Markup:
        name = "simulated" if paper.simulated and nature == "counted" else nature
        return Markup('<span class="tag {}">{}</span>').format(name, wording.mark(nature, paper.simulated, texts))

    return _template().render(
        paper=paper,
        texts=texts,
        mark=mark,
        shown=lambda value, kind: wording.shown(value, kind, texts),
        figure=lambda found: wording.figure(found, texts),
        bar_of=lambda criterion: wording.bar(criterion, texts),
        drawn=drawn,
        classes=CLASSES,
        tiles=[paper.figures[key] for key in TILES if paper.figures[key].value is not None],
        natures=[*(["simulated"] if paper.simulated else ["counted"]), "estimated", "tariff"],
        verdicts=paper.verdicts(),
    )


def drawn(table: Table) -> Mapping[int, float]:
    """What a full bar stands for in each charted column: everything for a share, the largest for a count."""
    return {
        place: 1.0
        if table.columns[place].kind == "share"
        else max([1.0, *(float(row[place] or 0) for row in table.rows if not isinstance(row[place], str))])
        for place in table.charted
    }


def bar(value: Cell, whole: float) -> Markup:
    """A bar beside a number; nothing where there is none."""
    return charts.bar(float(value) / whole) if isinstance(value, int | float) else Markup("")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("trial"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"bar": bar}
    return environment.get_template("evaluation.html")
