"""`kairanban matrix`: the file by which a Matrix homeserver knows the bot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.adapters.matrix.registration import Registration
from bot.bilingual import both, reason, shown
from bot.errors import ConfigurationError
from config import screen

app = typer.Typer(no_args_is_help=True, help="Matrix (Synapse) への登録 / the registration at a Matrix homeserver")
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


@app.callback()
def matrix() -> None:
    """One command for now; without this, typer would drop its name."""


@app.command("registration", help="登録ファイルを作ります / write the registration file, with new tokens")
def registration(
    server: Annotated[str, typer.Option(help="サーバー名 (@名前:ここ) / the server's name, as in @name:THIS")],
    url: Annotated[
        str, typer.Option(help="ホームサーバーから見たボットのアドレス / the bot's address, as the homeserver sees it")
    ] = "http://127.0.0.1:8781/webhooks/matrix",
    user: Annotated[str, typer.Option(help="ボットの名前 / the bot's name on the server")] = "kairanban",
    out: Annotated[Path, typer.Option(help="書き出す先 / where it goes")] = Path("secrets/matrix-registration.yaml"),
    force: Annotated[
        bool, typer.Option("--force", help="いまあるファイルを置き換える / replace a file that is there")
    ] = False,
) -> None:
    """Write the file for its owner's eyes alone, and say what to do with it."""
    made = Registration(server, url, user)
    if out.exists() and not force:
        raise ConfigurationError(
            f"{out} は、もうあります。作り直すと合言葉が変わり、Synapse にも入れ直しが要ります (--force)。 "
            f"/ {out} is there already. A new one has new tokens and must be given to Synapse again (--force)."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = out.with_name(f".{out.name}.draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(made.as_yaml())
        draft.replace(out)
    except OSError as error:
        raise ConfigurationError(both("config", "command.unwritable", file=shown(out), reason=reason(error))) from error
    console.print(_NEXT.format(out=out, user=made.user))


_NEXT = """\
登録ファイルを作りました / written: {out}

次にすること / what to do next:
 1. このファイルを Synapse が読める場所へ写し、homeserver.yaml に書きます。
    Copy the file to where Synapse can read it, and name it in homeserver.yaml:
        app_service_config_files: ["/etc/matrix-synapse/kairanban.yaml"]
        auto_accept_invites: {{enabled: true, only_from_local_users: true}}
 2. Synapse を再起動します。 / Restart Synapse.
 3. kairanban.toml に書きます。 / Write into kairanban.toml:
        [matrix]
        homeserver = "https://matrix.example.lg.jp"
        user = "{user}"
        registration = "{out}"
 4. kairanban check、kairanban serve の順に動かします。 / Then kairanban check, and kairanban serve.

くわしくは / more: docs/platforms/matrix.ja.md, docs/platforms/matrix.md"""
