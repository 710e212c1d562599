"""The program on terminals, files and disks as they are found: a sentence in Japanese first, never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROSTER = "職員番号,氏名,所属\n000001,青木花子,総務部\n"
JAPANESE = "エラー"


def kairanban(
    *words: str | bytes, folder: Path, restricted: bool = False, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a process of its own; `restricted` takes from root the right to pass over permissions."""
    command: list[str | bytes] = [sys.executable, "-c", "from config.start import main; main()", *words]
    if restricted:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
    root = str(Path(__file__).parent.parent.parent)
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root, **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )


def sentence(ran: subprocess.CompletedProcess[bytes], encoding: str = "utf-8") -> str:
    """What it said of an error: one that ends with code 2 and shows no Python."""
    said = ran.stderr.decode(encoding)
    assert "Traceback" not in said, said
    assert ran.returncode == 2, said
    return said


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "ascii", "latin-1"])
def test_a_terminal_that_cannot_show_every_letter_is_written_to_all_the_same(tmp_path: Path, encoding: str) -> None:
    ran = kairanban("--help", folder=tmp_path, PYTHONIOENCODING=encoding)
    assert ran.returncode == 0, ran.stderr
    said = sentence(kairanban("survey", "check", "①〜髙.toml", folder=tmp_path, PYTHONIOENCODING=encoding), encoding)
    assert "no such file" in said


def test_a_file_whose_name_is_in_another_encoding_can_be_imported(tmp_path: Path) -> None:
    name = os.fsdecode("名簿.csv".encode("cp932"))
    (tmp_path / name).write_text(ROSTER, encoding="utf-8")
    ran = kairanban("roster", "import", os.fsencode(name), "--yes", "--folder", "data", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")
    again = kairanban("roster", "undo", "--yes", "--folder", "data", folder=tmp_path)
    assert again.returncode == 0, again.stderr.decode(errors="replace")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv: root passes over every permission")
def test_a_database_that_one_may_only_read_is_looked_at_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(ROSTER, encoding="utf-8")
    assert kairanban("roster", "import", "m.csv", "--yes", "--folder", "data", folder=tmp_path).returncode == 0
    data = tmp_path / "data"
    for file in data.iterdir():
        file.chmod(0o400)
    data.chmod(0o500)
    for words in (("roster", "addresses"), ("broadcast", "list"), ("survey", "list"), ("audit", "verify")):
        ran = kairanban(*words, "--folder", "data", folder=tmp_path, restricted=True)
        assert ran.returncode == 0, ran.stderr.decode()
    said = sentence(kairanban("roster", "undo", "--yes", "--folder", "data", folder=tmp_path, restricted=True))
    assert said.startswith(JAPANESE)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv: root passes over every permission")
@pytest.mark.parametrize(
    "words",
    [
        ("new-adapter", "pigeon", "shut/x"),
        ("trial", "--out", "shut/out", "--staff", "4", "--months", "1"),
        ("serve", "--settings", "shut.toml"),
        ("serve", "--demo", "--folder", "shut/demo", "--staff", "4"),
        ("matrix", "registration", "--server", "example.jp", "--out", "shut/x.yaml"),
    ],
)
def test_a_folder_that_one_may_not_write_is_a_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    (tmp_path / "shut.toml").write_text(
        "[storage]\nfolder = 'shut/var'\n[logochat]\nbase_url = 'https://x'\ntoken = 't'\nsecret = 's'\n",
        encoding="utf-8",
    )
    assert sentence(kairanban(*words, folder=tmp_path, restricted=True)).startswith(JAPANESE)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    root = str(Path(__file__).parent.parent.parent)
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{sys.executable}' -m config --help | head -n 1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == b""
