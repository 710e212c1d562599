"""The main job, whole and small: service, bot and staff over real HTTP, in virtual time."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from typer.testing import CliRunner

from config.cli import app
from config.commands.evaluate import PARAMETERS
from config.loops import run
from config.rehearsal import Outcome, Plan, rehearse
from trial.parameters import load_parameters


def rehearsed(plan: Plan) -> Outcome:
    return run(rehearse(plan, load_parameters(PARAMETERS), lambda done, total: None))


def test_the_same_seed_gives_the_same_report_and_everybody_gets_everything_once() -> None:
    # September and October: the drill and the typhoon are in it.
    plan = Plan(staff=12, start=date(2023, 9, 1), months=2, seed=3)
    first, second = rehearsed(plan), rehearsed(plan)
    assert first.report.fingerprint() == second.report.fingerprint()
    assert {each.kind for each in first.report.broadcasts} == {"notice", "drill", "emergency"}
    for each in first.report.broadcasts:
        assert (each.recipients, each.duplicates) == (12, 0)
    assert [survey.asked for survey in first.report.surveys] == [12, 12]
    assert sum(survey.respondents for survey in first.report.surveys) > 0
    assert first.report.events_in > 0
    assert first.report.messages_out > 0


def test_the_command_leaves_a_report_to_read_and_one_to_compute_with(tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        app, ["trial", "--staff", "8", "--months", "1", "--start", "2023-07-01", "--out", str(tmp_path / "out")]
    )
    assert answer.exit_code == 0, answer.output
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert report["staff"] == 8
    assert report["simulated"] is True
    assert report["cost"]["monthly"] == 8 * 400
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "架空" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "架空" in answer.output


def test_a_wrong_parameter_file_is_one_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[hours]\nopens = 08:30:00\n", encoding="utf-8")
    answer = CliRunner().invoke(app, ["trial", "--parameters", str(wrong), "--out", str(tmp_path)])
    assert answer.exit_code != 0
    assert "needs mending" in str(answer.exception)
