"""The conformance suite as a plugin, tried as others use it: in a folder and a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PIGEON = '''
import pytest
from bot.adapter import Delivery, Rejected, Retry, Sent
from bot.errors import MalformedPayload
from bot.testing import FakePlatform
from bot.testing.conformance import AdapterCase, SignedBody


class Loft:
    """The fake platform in the hands of the suite."""

    def __init__(self, platform):
        self.platform = platform

    def behave(self, behaviour):
        outcome = Rejected("no") if behaviour == "refusing" else Retry("later")
        self.platform.respond = lambda delivery: outcome

    def texts(self):
        return [message.text for message in self.platform.sent if not message.deleted]


class Pigeon(FakePlatform):
    """A right adapter, for others to break."""


def case(adapter):
    body = adapter.encode()
    return AdapterCase(
        adapter=adapter,
        platform=Loft(adapter),
        person="u1",
        secrets=["fake-secret"],
        signed=[SignedBody(adapter.sign(body), body, 0)],
        failures=["broken", "refusing"],
        members=["u1", "u2", "u3"],
    )
'''

FIXTURE = """
from pigeon import *


class Mine(Pigeon):
    def __repr__(self):
        return "<Mine>"
{broken}

@pytest.fixture
def kairanban_adapter(kairanban_clock):
    return case(Mine(kairanban_clock))
"""

BROKEN = {
    "takes every signature": (
        "    def verify(self, headers, body): return True",
        "test_it_refuses_everything_else",
        "A forged request was accepted",
    ),
    "raises": (
        "    async def send(self, batch): raise OSError('down')",
        "test_failures_are_outcomes_and_never_exceptions",
        "OSError: down",
    ),
    "shows its secret": (
        "    def __str__(self): return self.secret",
        "test_its_secrets_do_not_show",
        "A secret stands in a text that is logged or shown.",
    ),
    "sends twice": (
        "    async def send(self, batch):\n        self._by_key.clear()\n        return await super().send(batch)",
        "test_the_same_key_is_the_same_message",
        "The second answer under a key must be the first one.",
    ),
    "is not async": (
        "    def close(self): pass",
        "test_its_facts_make_sense",
        "close must be an async def.",
    ),
    "gives up what would pass": (
        "    async def send(self, batch): return [Rejected('no')] if self.respond else await super().send(batch)",
        "test_failures_are_outcomes_and_never_exceptions",
        "broken: worth another try",
    ),
}


def run_pytest(folder: Path, files: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_right_adapter_passes_the_suite_and_the_modules_own_tests_run_beside_it(tmp_path: Path) -> None:
    own = "\n\ndef test_of_its_own(kairanban_adapter):\n    assert kairanban_adapter.adapter.name == 'fake'\n"
    answer = run_pytest(
        tmp_path, {"pigeon.py": PIGEON, "test_pigeon.py": FIXTURE.format(broken="") + own}, "-v", "--strict-markers"
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "TestKairanbanAdapter::test_it_sends PASSED" in answer.stdout
    assert "TestKairanbanAdapter::test_rooms_are_made_once_and_changed PASSED" in answer.stdout
    assert "test_pigeon.py::test_of_its_own PASSED" in answer.stdout


def test_broken_adapters_fail_with_a_sentence_that_says_what_is_wrong(tmp_path: Path) -> None:
    files = {f"test_{n}.py": FIXTURE.format(broken=code) for n, (code, _, _) in enumerate(BROKEN.values())}
    answer = run_pytest(tmp_path, {"pigeon.py": PIGEON, **files}, "--tb=short", "-rf")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    for number, (kind, (_, test, sentence)) in enumerate(BROKEN.items()):
        failed = [
            line for line in answer.stdout.splitlines() if line.startswith(f"FAILED test_{number}.py") and test in line
        ]
        assert failed, f"An adapter that {kind} must fail {test}:\n{answer.stdout}"
        assert sentence in answer.stdout


def test_a_fixture_that_gives_something_else_is_told_so(tmp_path: Path) -> None:
    fixture = "import pytest\n\n@pytest.fixture\ndef kairanban_adapter():\n    return 'pigeon'\n"
    answer = run_pytest(tmp_path, {"test_pigeon.py": fixture})
    assert answer.returncode == 1
    assert "must give a bot.testing.conformance.AdapterCase, not str" in answer.stdout


def test_the_suite_is_chosen_and_left_out_by_its_mark(tmp_path: Path) -> None:
    files = {"pigeon.py": PIGEON, "test_pigeon.py": FIXTURE.format(broken="") + "\n\ndef test_own(): pass\n"}
    answer = run_pytest(tmp_path, files, "-m", "not kairanban_conformance", "-v")
    assert "1 passed" in answer.stdout
    assert "TestKairanbanAdapter" not in answer.stdout


def test_handlers_are_tested_with_the_harness(tmp_path: Path) -> None:
    module = """
from datetime import timedelta

import pytest_asyncio
from sqlalchemy import text

from bot import Router

router = Router()


@router.command("ping")
async def ping(ctx):
    await ctx.reply("pong")


async def test_ping(kairanban_harness, kairanban_clock, kairanban_database):
    harness = await kairanban_harness(router)
    assert (await harness.say("alice", "/ping")).text == "pong"
    before = kairanban_clock.now()
    kairanban_clock.advance(timedelta(days=1))
    assert kairanban_clock.now() - before == timedelta(days=1)
    async with kairanban_database.snapshot() as db:
        assert await db.scalar(text("SELECT count(*) FROM deliveries")) == 0
"""
    answer = run_pytest(tmp_path, {"test_ping.py": module}, "-o", "asyncio_mode=auto")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("without", ["", "sys.modules['pytest_asyncio'] = None; "])
def test_where_nobody_needs_it_nothing_of_the_framework_is_imported(without: str) -> None:
    code = (
        f"import sys; {without}import bot.testing.plugin; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'bot', 'aiohttp', 'sqlalchemy', 'pydantic'}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "['bot', 'bot.testing', 'bot.testing.plugin']"
