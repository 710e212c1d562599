"""The house's one direction of imports, read from every module; an upward arrow or a circle fails."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

MAY_IMPORT = {
    "bot": set[str](),
    "broadcasts": {"bot"},
    "surveys": {"bot"},
    "handlers": {"bot", "broadcasts", "surveys"},
    "trial": {"bot"},
    "config": {"bot", "broadcasts", "surveys", "handlers", "trial"},
}
TRIAL_MAY_IMPORT = {
    "bot.clock",
    "bot.activity",
    "bot.adapters.logochat_wire",
    "bot.serving",
    "bot.texts",
    "bot.bilingual",
    "bot.documents",
    "bot.errors",
    "bot.http_server",
    "bot.mistakes",
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*MAY_IMPORT, cache_dir=None)


def test_no_room_imports_a_room_above_it_or_beside_it(graph: grimp.ImportGraph) -> None:
    wrong = [
        f"{module} imports {target}"
        for module in graph.modules
        for target in graph.find_modules_directly_imported_by(module)
        if (room := module.split(".")[0]) != (other := target.split(".")[0]) and other not in MAY_IMPORT[room]
    ]
    assert wrong == []


def test_the_rehearsal_knows_of_the_bot_only_time_texts_doors_and_the_wire(graph: grimp.ImportGraph) -> None:
    wrong = [
        f"{module} imports {target}"
        for module in graph.modules
        if module.split(".")[0] == "trial"
        for target in graph.find_modules_directly_imported_by(module)
        if target.split(".")[0] == "bot" and target not in TRIAL_MAY_IMPORT
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle(graph: grimp.ImportGraph) -> None:
    arrows = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail("imports in a circle: " + " -> ".join(error.args[1]))
