"""All simple tables and a three-way cross table of a large survey: how long, and with how much memory.

`python -m benchmarks.tables [answers]`. The answers are made and stored first; a process of its own then counts them
as `kairanban survey tables` does, and says what the operating system measured.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.clock import SystemClock
from bot.storage import Database
from config import loops
from surveys.counting import Wish, count
from surveys.definition import Answer, Definition
from surveys.importing import import_answers
from surveys.vault import Vault

ANSWERS, QUESTIONS = 100_000, 20
SECONDS_GATE, MEGABYTES_GATE = 5.0, 500.0
CROSSED = Wish(rows=("q1", "q5"), column="q9")


@dataclass(frozen=True, slots=True)
class Measured:
    """`megabytes` is the most that the counting process held, Python and its libraries included.

    `seconds` went by on the wall; `busy` of them the processor worked for us, whatever else the machine did.
    """

    answers: int
    seconds: float
    busy: float
    megabytes: float

    @property
    def passed(self) -> bool:
        return self.seconds <= SECONDS_GATE and self.megabytes <= MEGABYTES_GATE


def run(answers: int = ANSWERS) -> Measured:
    """Make the survey, count it in another process."""
    with tempfile.TemporaryDirectory(prefix="kairanban-tables-") as folder:
        asyncio.run(_store(_url(folder), answers))
        command = [sys.executable, "-m", "benchmarks.tables", "--count", folder]
        root = Path(__file__).parent.parent
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
    return Measured(**json.loads(done.stdout))


def sentence(found: Measured) -> str:
    """What was measured, beside the gates."""
    return (
        f"tables: {found.answers:,} answers × {QUESTIONS} questions in {found.seconds:.2f} s (gate {SECONDS_GATE:.0f}; "
        f"{found.busy:.2f} s of the processor), {found.megabytes:.0f} MB (gate {MEGABYTES_GATE:.0f})"
    )


def definition() -> Definition:
    """Twenty questions of every kind that is counted, as anonymous as a city would ask them."""

    def question(number: int) -> dict[str, object]:
        common: dict[str, object] = {"key": f"q{number}", "text": f"Question {number}", "required": number % 3 != 0}
        options = [f"Option {code}" for code in range(1, 4 + number % 5)]
        match number % 4:
            case 0:
                return {**common, "kind": "scale"}
            case 2:
                return {**common, "kind": "multiple", "options": options}
            case _:
                return {**common, "kind": "choice", "options": options}

    asked = [question(number) for number in range(1, QUESTIONS + 1)]
    return Definition.model_validate({"key": "large", "title": "A large survey", "questions": asked})


def answered(definition: Definition, answers: int) -> Iterator[dict[str, Answer]]:
    """Sheets as uneven as real ones: low codes are commoner, and who may leave a question blank sometimes does."""
    chance = random.Random(1)  # noqa: S311 - the same answers each time

    def one(kind: str, size: int) -> Answer:
        if kind == "multiple":
            return [code for code in range(1, size + 1) if chance.random() < 0.5 / code] or [size]
        return min(int(chance.expovariate(0.6)) + 1, size)

    questions = definition.questions
    steps = [(q.key, q.kind, len(getattr(q, "options", range(5))), q.required) for q in questions]
    for _ in range(answers):
        yield {
            key: None if not required and chance.random() < 0.1 else one(kind, size)
            for key, kind, size, required in steps
        }


async def _store(url: str, answers: int) -> None:
    database = Database.open(url, durability="process")
    await database.create_tables()
    asked = definition()
    async with database.transaction() as db:
        await import_answers(db, SystemClock(), asked, list(answered(asked, answers)))
    await database.close()


async def _count(folder: str) -> Measured:
    database = Database.open(_url(folder))
    began, worked = time.perf_counter(), time.process_time()
    async with database.snapshot() as db:
        paper = await count(db, Vault(Path(folder)), 1, CROSSED)
    seconds, busy = time.perf_counter() - began, time.process_time() - worked
    await database.close()
    assert len(paper.tables) == QUESTIONS
    assert len(paper.crosses) == 1
    return Measured(paper.respondents, seconds, busy, _most_held() / 1_000)


def _most_held() -> int:
    """The most memory that this process has held, in kB.

    `ru_maxrss` would do where the parent is small: a child inherits the figure of whoever started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _url(folder: str) -> str:
    return f"sqlite+aiosqlite:///{Path(folder) / 'tables.sqlite3'}"


def main(arguments: list[str]) -> int:
    """Exit code 1 if it takes too long or too much."""
    if arguments[:1] == ["--count"]:
        print(json.dumps(asdict(loops.run(_count(arguments[1])))))
        return 0
    found = run(int(arguments[0]) if arguments else ANSWERS)
    print(sentence(found))
    return 0 if found.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
