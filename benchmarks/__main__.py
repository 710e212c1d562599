"""All benchmarks against their gates: `python -m benchmarks`. Exit code 1 if one does not pass."""

from __future__ import annotations

import statistics
import sys

from rich.console import Console
from rich.table import Table

from benchmarks import intake, outbox, scale, tables


def main() -> int:
    """Run them one after the other; each alternates its rounds by itself."""
    figures = intake.run()
    rates = outbox.run()
    large = scale.run()
    counted = tables.run()
    rows = [
        (
            "intake: webhook with a durable commit / bare handler",
            figures["bare beside intake per second"],
            figures["intake per second"],
            figures["intake ratio"],
            intake.GATE,
        ),
        (
            "outbox: durable sending / bare client loop",
            statistics.median(rates.bare),
            statistics.median(rates.outbox),
            rates.ratio,
            outbox.GATE,
        ),
    ]
    table = Table("benchmark", "bare a second", "ours a second", "ratio", "gate", "")
    for name, bare, ours, ratio, gate in rows:
        verdict = "[green]passed[/]" if ratio >= gate else "[red]below[/]"
        table.add_row(name, f"{bare:,.0f}", f"{ours:,.0f}", f"{ratio:.3f}", f"{gate:.2f}", verdict)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print(scale.table(large))
    console.print(tables.sentence(counted), highlight=False)
    passed = [ratio >= gate for *_, ratio, gate in rows] + [figure.passed for figure in large] + [counted.passed]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
