"""Tables as one self-contained page with bars, readable offline and on paper."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from bot.texts import Texts
from surveys.exports.paper import Paper, Share, all_blocks, head

_environment = Environment(
    loader=PackageLoader("surveys.exports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_environment.tests["share"] = lambda field: isinstance(field, Share)


def to_html(paper: Paper, texts: Texts) -> str:
    """The page; whatever people wrote is escaped."""
    return _environment.get_template("paper.html").render(
        paper=paper,
        language=texts.language,
        head=head(paper, texts),
        blocks=all_blocks(paper, texts),
    )
