"""The deliberate breakages: a patch each in `benchmarks/sabotage/`, and the copy of the program that one is applied to.

A run whose bot was broken must find something; one that finds nothing is blind to that breakage.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.fault.town import PROGRAM

PATCHES = PROGRAM / "benchmarks" / "sabotage"
ROOMS = ("bot", "broadcasts", "surveys", "handlers", "trial", "config", "benchmarks", "tests")


def names() -> list[str]:
    """Every breakage."""
    return sorted(patch.stem for patch in PATCHES.glob("*.patch"))


def broken(name: str, folder: Path) -> Path:
    """A copy of the program in `folder` with this breakage; CalledProcessError if the patch fits no more."""
    for room in ROOMS:
        shutil.copytree(PROGRAM / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        ["git", "apply", "--unsafe-paths", f"--directory={folder}", str(PATCHES / f"{name}.patch")],  # noqa: S607
        cwd="/",
        check=True,
    )
    return folder
