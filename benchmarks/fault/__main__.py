"""Kill the parts again and again; see whether anything is lost, there twice, or false.

    python -m benchmarks.fault [--kills 50] [--staff 48] [--seed 1] [--quick]

The exit code is 1 if anything is missing, there twice, or counted wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.fault import sabotage
from benchmarks.fault.run import Plan, Result, new_folder, prove

LISTED = 20
"""Violations that are written out."""


async def watched(folder: Path, plan: Plan, console: Console) -> Result:
    """A run with a line whenever something else is going on."""
    seen: list[Result] = []
    running = asyncio.create_task(prove(folder, plan, seen.append))
    said, began = "", time.perf_counter()
    while not running.done():
        await asyncio.wait([running], timeout=1)
        if seen and seen[0].where != said:
            said = seen[0].where
            console.print(f"[dim]{time.perf_counter() - began:5.0f} s[/]  {said}")
    return await running


def report(result: Result, seconds: float, console: Console) -> None:
    """The table at the end."""
    table = Table("what", "how much", title="The fault test, as the members saw it")
    for moment, number in sorted(result.killed.items()):
        table.add_row(f"killed: {moment}", f"{number}")
    for what, number in sorted(result.done.items()):
        table.add_row(what, f"{number}")
    verdict = result.verdict
    for what, number in (
        ("killed in all", result.killed.total()),
        ("writes that the power cuts took away", result.cut_writes),
        ("messages of notices that members have", verdict.copies),
        ("reads, by members and by the bot", verdict.reads),
        ("people's answers, by members and by the bot", verdict.answers),
        ("calls of the staff", result.calls),
        ("of these made again", result.repeats),
        ("violations", len(verdict.violations)),
    ):
        table.add_row(what, f"{number:,}")
    table.add_row("took", f"{seconds:.0f} s")
    console.print(table)


def sabotaged(names: list[str], plan: Plan, console: Console) -> int:
    """One run for each breakage; 1 if any of them was not found."""
    table = Table("breakage", "violations", "the first")
    blind = 0
    for name in names:
        console.print(f"[bold]{name}[/]")
        folder = new_folder()
        (folder / "run").mkdir()
        program = sabotage.broken(name, folder / "program")
        result = uvloop.run(watched(folder / "run", replace(plan, program=program), console))
        found = result.verdict.violations
        table.add_row(
            name, f"{len(found)}" if found else "[red]not found[/]", found[0].splitlines()[0] if found else ""
        )
        blind += not found
        shutil.rmtree(folder)
    console.print(table)
    return int(blind > 0)


def main() -> int:
    """0 if everything is as it must be."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--kills", type=int, help="default 50, with --quick 5")
    options.add_argument("--staff", type=int, help="default 48, with --quick 16")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--quick", action="store_true", help="a small run")
    options.add_argument("--sabotage", default="", help="the name of a deliberate breakage, or all")
    given = options.parse_args()
    plan = Plan(
        kills=given.kills if given.kills is not None else (5 if given.quick else 50),
        staff=given.staff or (16 if given.quick else 48),
        seed=given.seed,
    )
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if given.sabotage:
        return sabotaged(sabotage.names() if given.sabotage == "all" else [given.sabotage], plan, console)
    folder = new_folder()
    began = time.perf_counter()
    result = uvloop.run(watched(folder, plan, console))
    report(result, time.perf_counter() - began, console)
    violations = result.verdict.violations
    for violation in violations[:LISTED]:
        console.print(f"[red]violation[/] {violation}", markup=True)
    if len(violations) > LISTED:
        console.print(f"… and {len(violations) - LISTED} more.")
    if violations:
        console.print(f"Everything is kept in {folder}.")
        return 1
    shutil.rmtree(folder)
    console.print("Everybody has everything exactly once, nothing is false, and every read and answer is counted once.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
