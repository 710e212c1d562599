"""What was typed wrongly behind `kairanban`, in both languages: typer says it in English alone."""

from __future__ import annotations

import re

import typer

from bot.bilingual import Both, both

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""The root of typer's errors about what was typed; typer names its child `BadParameter` alone."""

_KINDS = (
    (re.compile(r"No such option: (?P<what>\S+)(?: \(Possible options: (?P<near>.*)\))?"), "option"),
    (re.compile(r"No such command '(?P<what>.*?)'\.(?: \(Possible commands: (?P<near>.*)\))?"), "command"),
    (re.compile(r"Missing (?:argument|parameter|option)s? (?P<what>.*)\."), "missing"),
    (re.compile(r"Missing command\."), "no_command"),
    (re.compile(r"Invalid value(?: for (?P<what>.*?))?: (?P<why>.*)", re.DOTALL), "value"),
    (re.compile(r"Got unexpected extra arguments? \((?P<what>.*)\)"), "extra"),
    (re.compile(r"Option '?(?P<what>[^']*)'? requires (?:an argument|\d+ arguments)\."), "argument"),
)


def sentence(error: Exception) -> Both:
    """The error in both languages, and which help to read."""
    words = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = "kairanban" if context is None else str(context.command_path)
    said = Both(words, words)
    for form, kind in _KINDS:
        if found := form.fullmatch(words):
            parts = {name: value or "" for name, value in found.groupdict().items()}
            near = parts.pop("near", "")
            said = Both(both("config", f"usage.{kind}", **parts).ja, words)
            if near:
                said = Both(said.ja + both("config", "usage.near", near=near).ja, words)
            break
    help_ = both("config", "usage.help", path=path)
    return Both(f"{said.ja}{help_.ja}", f"{said.en} {help_.en}")
