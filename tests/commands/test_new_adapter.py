"""A new adapter begins with tests that pass, and with nothing of the template's name left in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Terminal


def test_what_it_writes_is_a_package_whose_tests_pass(kairanban: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "here"
    said = kairanban("new-adapter", "carrier_bird", folder, anywhere=True)
    assert said.code == 0, said.err
    assert "kairanban_carrier_bird/adapter.py" in said.out
    texts = {file.relative_to(folder): file.read_text(encoding="utf-8") for file in folder.rglob("*") if file.is_file()}
    assert not [name for name, text in texts.items() if "pigeon" in f"{name} {text}".lower()]
    assert 'carrier_bird = "kairanban_carrier_bird:CarrierBird"' in texts[Path("pyproject.toml")]

    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-v"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "test_carrier_bird.py::TestKairanbanAdapter::test_it_sends PASSED" in answer.stdout

    for tool in (["ruff", "check", "--isolated"], ["ruff", "format", "--isolated", "--check", "--line-length=120"]):
        checked = subprocess.run(
            [sys.executable, "-m", *tool, "."], cwd=folder, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", ["", "Pigeon", "9lives", "a-b", "a__b", "../up", "鳩", "logochat"])
def test_a_name_that_would_not_do_is_refused_and_nothing_is_written(
    kairanban: Terminal, tmp_path: Path, name: str
) -> None:
    said = kairanban("new-adapter", name, tmp_path / "new", anywhere=True)
    assert said.code == 2
    assert not (tmp_path / "new").exists()


def test_a_folder_with_something_in_it_is_left_alone(kairanban: Terminal, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    for place in (tmp_path, tmp_path / "mine.txt"):
        said = kairanban("new-adapter", "pigeon", place, anywhere=True)
        assert said.code == 2
        assert "empty folder" in said.err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
