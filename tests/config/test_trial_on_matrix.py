"""The same trial, once on the rehearsal's chat service and once on a real Synapse: what comes of it is the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from bot.errors import ConfigurationError
from bot.testing import synapse
from bot.testing.synapse import Synapse
from config.cli import app

WHAT_IS_THE_PLATFORMS_OWN = {"wall_seconds", "events_in"}
"""Synapse tells of everybody who joins a room, and the chat service of other things."""


def trial(folder: Path, platform: str) -> dict[str, Any]:
    arguments = ["trial", "--staff", "6", "--months", "1", "--platform", platform, "--out", str(folder / platform)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = orjson.loads((folder / platform / "report.json").read_bytes())
    return {name: figure for name, figure in report.items() if name not in WHAT_IS_THE_PLATFORMS_OWN}


@pytest.mark.skipif(not synapse.installed(), reason="Synapse (the package matrix-synapse) is not installed here.")
def test_the_trial_comes_to_the_same_on_a_real_synapse(tmp_path: Path) -> None:
    on_matrix = trial(tmp_path, "matrix")
    assert on_matrix == trial(tmp_path, "logochat")
    assert on_matrix["broadcasts"]
    assert on_matrix["surveys"]
    for broadcast in on_matrix["broadcasts"]:
        assert (broadcast["delivered"], broadcast["duplicates"]) == (broadcast["recipients"], 0)


def test_without_synapse_the_trial_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synapse, "installed", lambda: False)
    with pytest.raises(ConfigurationError, match=re.escape("pip install 'kairanban[matrix-trial]'")):
        Synapse(tmp_path)
