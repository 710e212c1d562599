"""`kairanban chat` on the demo's stage: what is typed arrives, what comes is shown, what fails is one sentence."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from bot.activity import Activity
from bot.clock import SystemClock
from bot.errors import KairanbanError
from config.commands import chat
from config.stage import Stage, open_stage
from tests.commands.conftest import Terminal
from trial.population import HEADQUARTERS, Person, populate


class Glass(io.StringIO):
    """The screen; `wait` returns once something has been seen on it."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def write(self, text: str) -> int:
        with self._changed:
            self._changed.notify_all()
            return super().write(text)

    def wait(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.getvalue(), timeout=30), self.getvalue()


class Keyboard:
    """Somebody who types the next line when they have seen what they were waiting for; then Ctrl-D."""

    def __init__(self, glass: Glass, *lines: tuple[str, str]) -> None:
        self._glass = glass
        self._lines = list(lines)
        self._expected = ""

    def readline(self) -> str:
        self._glass.wait(self._expected)
        line, self._expected = self._lines.pop(0) if self._lines else ("", "")
        return line


@pytest.fixture
def people() -> list[Person]:
    return populate(12, seed=1)


@pytest.fixture
async def stage(tmp_path: Path, people: list[Person]) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path, people, clock=SystemClock(), activity=Activity(), durability="process") as stage:
        yield stage


@pytest.fixture
def glass(monkeypatch: pytest.MonkeyPatch) -> Glass:
    glass = Glass()
    monkeypatch.setattr(chat, "console", Console(file=glass, soft_wrap=True))
    return glass


async def test_a_notice_is_planned_with_words_and_the_number_of_a_button(
    stage: Stage, people: list[Person], glass: Glass, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = next(person for person in people if HEADQUARTERS in person.roles)
    keyboard = Keyboard(
        glass,
        ("\n", ""),
        ("/予約 毎週月曜 09:00 朝礼です\n", "1. 予約する"),
        ("1\n", "番号 1 を予約しました"),
        ("/予約\n", "予約している連絡："),
    )
    monkeypatch.setattr("sys.stdin", keyboard)
    await chat.talk(stage.service.url, head.login, head.password, stage.bot_id)
    assert "朝礼です" in glass.getvalue()


async def test_whoever_comes_later_sees_what_they_missed_and_can_answer_it(
    stage: Stage, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sits_down(*lines: tuple[str, str]) -> Glass:
        glass = Glass()
        monkeypatch.setattr(chat, "console", Console(file=glass, soft_wrap=True))
        monkeypatch.setattr("sys.stdin", Keyboard(glass, *lines))
        return glass

    head = next(person for person in people if HEADQUARTERS in person.roles)
    sits_down(
        ("/アンケート 作成 懇親会|行きますか。|行く|行かない\n", "1. 始める"),
        ("1\n", "1. 回答する"),
        ("/一斉 お知らせです\n", "1. 送信する"),
        ("1\n", "送信を始めました"),
    )
    await chat.talk(stage.service.url, head.login, head.password, stage.bot_id)
    other = next(person for person in people if HEADQUARTERS not in person.roles)
    glass = sits_down(("\n", "1. 回答する"), ("1\n", "1. 行く"), ("2\n", "ありがとうございました"))
    await chat.talk(stage.service.url, other.login, other.password, stage.bot_id)
    assert "お知らせです" in glass.getvalue()


async def test_a_wrong_password_is_a_sentence(stage: Stage, people: list[Person]) -> None:
    with pytest.raises(KairanbanError, match="401"):
        await chat.talk(stage.service.url, people[0].login, "wrong", stage.bot_id)


def test_where_no_service_is_it_says_what_to_start(kairanban: Terminal) -> None:
    said = kairanban("chat", "100001", "--password", "x", "--service", "http://127.0.0.1:9", anywhere=True)
    assert said.code == 2
    assert "kairanban serve --demo" in said.err
    assert "Traceback" not in said.err
