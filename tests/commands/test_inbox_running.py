"""`kairanban inbox` beside a real `kairanban serve`: while it runs, after it was killed, and when it cannot answer."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.adapters.logochat_wire import SIGNATURE_HEADER, signature
from bot.control import NoAnswer, NotOurs, RunningBot
from bot.errors import KairanbanError
from tests.commands.conftest import Said, Terminal

ROOT = Path(__file__).parents[2]
SETTINGS = """
[storage]
folder = "{folder}"
[server]
port = 0
[logochat]
base_url = "http://127.0.0.1:9"
token = "t"
secret = "s"
"""
NONSENSE = [b"no json", b'{"events":[%s0]}' % (b"0," * 5_000)]
REASONS = ["must be JSON", "brings 5,001 events"]


@dataclass(frozen=True, slots=True)
class Served:
    """A bot in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def knock(self, body: bytes) -> int:
        request = urllib.request.Request(self.url, body, {SIGNATURE_HEADER: signature("s", body)})  # noqa: S310 - loopback
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
            return int(answer.status)

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Town:
    folder: Path
    settings: Path
    terminal: Terminal

    @property
    def socket(self) -> Path:
        return self.folder / "control.sock"

    def __call__(self, *words: str) -> Said:
        return self.terminal(*words, "--settings", self.settings, anywhere=True)

    @contextmanager
    def serving(self) -> Iterator[Served]:
        """`kairanban serve`, once it says where it listens."""
        log = self.settings.with_suffix(".log")
        command = [sys.executable, "-u", "-m", "config", "serve", "--settings", str(self.settings)]
        with (
            log.open("ab") as errors,
            subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None
                lines = iter(process.stdout.readline, "")
                url = next((line.strip() for line in lines if "/webhooks/" in line), None)
                assert url is not None, self.log
                yield Served(process, url)
            finally:
                process.kill()

    @property
    def log(self) -> str:
        return self.settings.with_suffix(".log").read_text(encoding="utf-8")

    def failed(self, *wanted: str) -> str:
        """The list of failed events, once it says what is wanted: an event is set aside just after its 200."""
        for _ in range(500):
            said = self("inbox", "failed")
            assert said.code == 0, said.err
            if all(each in said.out for each in wanted):
                return said.out
        raise AssertionError(f"{wanted} never came: {said.out}")


@pytest.fixture
def town(tmp_path: Path, kairanban: Terminal) -> Town:
    return placed(tmp_path / "var", tmp_path, kairanban)


def placed(folder: Path, place: Path, terminal: Terminal) -> Town:
    settings = place / "kairanban.toml"
    settings.write_text(SETTINGS.format(folder=folder), encoding="utf-8")
    return Town(folder, settings, terminal)


def test_what_failed_is_listed_and_tried_again_while_the_bot_runs_and_after_it_was_stopped(town: Town) -> None:
    with town.serving() as bot:
        assert stat.S_IMODE(town.socket.stat().st_mode) == 0o600, "its owner alone may ask"
        assert "あきらめたものはありません" in town("inbox", "failed").out
        assert [bot.knock(body) for body in NONSENSE] == [200, 200]
        town.failed(*REASONS)
        assert town("inbox", "failed", "-n", "1").out.count("logochat") == 1
        again = town("inbox", "replay", "1")
        assert (again.code, "もう一度処理しています" in again.out) == (0, True)
        town.failed(*REASONS)  # nobody can read it now either
        missing = town("inbox", "replay", "99")
        assert (missing.code, "番号 99" in missing.err) == (2, True)
        bot.end(signal.SIGTERM)
        assert bot.process.returncode == 0
    assert not town.socket.exists()
    town.failed(*REASONS)
    later = town("inbox", "replay", "2")
    assert (later.code, "次にボットを起動したとき" in later.out) == (0, True)
    assert REASONS[1] not in town("inbox", "failed").out
    with town.serving():
        town.failed(*REASONS)


def test_what_was_looked_at_can_be_thrown_away_while_the_bot_runs_and_when_it_does_not(town: Town) -> None:
    with town.serving() as bot:
        assert [bot.knock(body) for body in NONSENSE] == [200, 200]
        town.failed(*REASONS)
        assert "捨てました" in town("inbox", "discard", "1", "--yes").out
        assert REASONS[0] not in town("inbox", "failed").out
        assert bot.knock(NONSENSE[0]) == 200, "The key is kept: what comes again is known."
        assert REASONS[0] not in town("inbox", "failed").out
    twice = town("inbox", "discard", "2", "1", "--yes")
    assert (twice.code, "番号 2 を捨てました" in twice.out, "番号 1" in twice.err) == (2, True, True)
    assert "あきらめたものはありません" in town("inbox", "failed").out


def test_everything_that_was_given_up_is_handled_again_by_one_command(town: Town) -> None:
    with town.serving() as bot:
        assert [bot.knock(body) for body in NONSENSE] == [200, 200]
        town.failed(*REASONS)
        assert "あきらめたものはありません" in town("inbox", "replay", "--all", "--platform", "other").out
        assert "2 件を、もう一度" in town("inbox", "replay", "--all").out
        town.failed(*REASONS)  # nobody can read them now either
    assert "2 件を、次に" in town("inbox", "replay", "--all").out


def test_a_socket_that_a_killed_bot_left_is_in_nobodys_way(town: Town) -> None:
    with town.serving() as bot:
        assert bot.knock(NONSENSE[0]) == 200
        town.failed(REASONS[0])
        bot.end(signal.SIGKILL)
    assert town.socket.is_socket()
    town.failed(REASONS[0])
    with town.serving():
        assert "もう一度処理しています" in town("inbox", "replay", "1").out
    assert "control_unavailable" not in town.log


def test_a_second_bot_on_the_same_folder_goes_and_leaves_the_first_ones_socket(town: Town) -> None:
    with town.serving():
        second = subprocess.run(
            [sys.executable, "-m", "config", "serve", "--settings", str(town.settings)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (second.returncode, "in use by another process" in second.stderr) == (2, True)
        assert "あきらめたものはありません" in town("inbox", "failed").out


def test_a_bot_whose_socket_has_no_room_runs_all_the_same_and_says_why_it_cannot_be_asked(
    tmp_path: Path, kairanban: Terminal
) -> None:
    town = placed(tmp_path / ("長い名前の保存先" * 5), tmp_path, kairanban)
    with town.serving() as bot:
        assert bot.knock(NONSENSE[0]) == 200
        refused = town("inbox", "failed")
        assert (refused.code, "control_unavailable" in refused.err) == (2, True)
        assert "has 107 bytes at most" in town.log
        bot.end(signal.SIGTERM)
    town.failed(REASONS[0])


def test_what_lies_in_the_sockets_place_is_not_removed(town: Town) -> None:
    town.folder.mkdir()
    town.socket.write_text("a note", encoding="utf-8")
    with town.serving():
        refused = town("inbox", "failed")
        assert (refused.code, "control_unavailable" in refused.err) == (2, True)
    assert "Something that is no socket is in its place" in town.log
    assert town.socket.read_text(encoding="utf-8") == "a note"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_account_may_not_ask(kairanban: Terminal) -> None:
    ask = (
        "import os, sys, asyncio; from pathlib import Path; from bot.control import RunningBot, NotOurs\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: asyncio.run(RunningBot(Path(sys.argv[1])).failed())\n"
        "except NotOurs: print('not ours')"
    )
    with ExitStack() as parts:
        place = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="kairanban-")))
        place.chmod(0o755)  # so that it is the socket that refuses, and not the folder around it
        town = placed(place / "var", place, kairanban)
        parts.enter_context(town.serving())
        town.folder.chmod(0o755)
        said = subprocess.run(
            [sys.executable, "-c", ask, str(town.socket)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert said.stdout == "not ours\n", said.stderr


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NotOurs("It belongs to another account."), "control.sock は、ボットを動かしているアカウントだけ"),
        (NoAnswer("It answered 503."), "control.sock で答えません（It answered 503.）"),
    ],
)
def test_who_gets_no_answer_is_told_what_to_do(
    town: Town, monkeypatch: pytest.MonkeyPatch, error: KairanbanError, sentence: str
) -> None:
    async def refuse(self: RunningBot, number: int) -> None:
        raise error

    monkeypatch.setattr(RunningBot, "failed", refuse)
    monkeypatch.setattr(RunningBot, "replay", refuse)
    for words in (["inbox", "failed"], ["inbox", "replay", "1"]):
        said = town(*words)
        assert (said.code, sentence in said.err) == (2, True), said.err
