"""The terminal that a command writes to: one that cannot show everything, goes away, or is no terminal at all."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from bot.bilingual import Both, apart, both, reason, shown
from bot.errors import KairanbanError
from config.usage_errors import UsageError, sentence

_WRONG = 2
"""The exit code of a command that could not be carried out, as shells and typer have it."""


def ready_streams() -> None:
    """Never fail over a letter that a terminal (EUC, Shift_JIS, ASCII) or a file's name in another encoding has not."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _read_arguments() -> None:
    """Words in another encoding become text that can be stored; the name of a file that is there stays its name."""
    sys.argv[1:] = [each if os.path.lexists(each) else shown(each) for each in sys.argv[1:]]


def run_command(command: Callable[..., object]) -> int:
    """Run the command line; what goes wrong on purpose, or because of the machine, is one sentence and a code."""
    ready_streams()
    _read_arguments()
    try:
        found = command(standalone_mode=False)
    except UsageError as error:
        return _say(sentence(error))
    except typer.Abort:
        return _say(both("config", "command.stopped"), code=1)
    except KeyboardInterrupt:
        return _say(both("config", "command.stopped"), code=130)
    except KairanbanError as error:
        return _say(error)
    except BrokenPipeError:
        # Whoever read us, `head` or a pager, has seen enough; Python must not complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            return _say(both("config", "command.system", reason=reason(error)))
        return _say(both("config", "command.system_file", file=shown(error.filename), reason=reason(error)))
    except DBAPIError as error:
        # The driver's own words: those of SQLAlchemy would show the statement, and people's words in it.
        return _say(both("config", "command.database", reason=error.orig))
    return found if isinstance(found, int) else 0


def _say(what: Both | Exception, code: int = _WRONG) -> int:
    label = both("config", "command.error")
    words = shown(str(what))
    if not _can_show(words):
        label, words = Both(label.en, label.en), apart(words).en
    line = f"[bold red]{label}:[/] {escape(words)}"
    Console(stderr=True, soft_wrap=True, highlight=False).print(line)
    return code


def _can_show(words: str) -> bool:
    try:
        words.encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
