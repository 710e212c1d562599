"""Settings: one TOML file, overridden by environment variables, checked before anything starts.

`kairanban.toml` in the working folder, or the file named by `--settings`. Every value can also come from the
environment as `KAIRANBAN_<TABLE>__<KEY>`; a secret can come from a file (`token_file = "…"`), so that it stands in
neither. `problems()` says in sentences what is missing; it is what `kairanban check` prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.bilingual import both, shown
from bot.documents import toml_in
from bot.errors import ConfigurationError, KairanbanError
from bot.ownership import kept_in, readable_by_others
from broadcasts.escalation.ladder import Ladder, Rung, Way, checked
from broadcasts.jma.our_areas import OurAreas
from broadcasts.jma.settings import JmaSettings
from broadcasts.kinds import Kind
from broadcasts.templates import load_templates
from config.durations import Duration, TimeOfDay
from config.mending import setting_mistakes
from config.platforms import (
    LineTable,
    LineWorksTable,
    LogoChatTable,
    MailTable,
    MatrixTable,
    OtherTable,
    PlatformTable,
    Table,
)
from surveys.loading import load_definitions

DEFAULT_FILE = Path("kairanban.toml")


class Server(Table):
    """Where the bot listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8781, ge=0, le=65535)
    body_limit: int = Field(default=1_048_576, ge=1_024)  # bytes of one webhook request


class Storage(Table):
    """Where things are kept; `folder` holds the inbox, the keys and, unless `database` says otherwise, the database."""

    folder: Path = Path("var")
    database: str = ""  # an SQLAlchemy URL; empty: SQLite in the folder
    durability: Literal["full", "process"] = "full"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite+aiosqlite:///{self.folder / 'kairanban.sqlite3'}"

    @property
    def inbox_file(self) -> Path:
        return self.folder / "inbox.sqlite3"

    @property
    def control_socket(self) -> Path:
        """Where a running bot answers the commands that need its inbox."""
        return self.folder / "control.sock"

    @property
    def attachment_folder(self) -> Path:
        """The files that notices carry; every process on this machine finds them here."""
        return self.folder / "attachments"

    def problems(self) -> Iterator[str]:
        """A sentence if nothing could be kept here."""
        existing = next((place for place in (self.folder, *self.folder.absolute().parents) if place.exists()), None)
        if existing is None or not existing.is_dir():
            yield str(both("config", "check.not_a_folder", folder=shown(self.folder)))
        elif not os.access(existing, os.W_OK | os.X_OK):
            yield str(both("config", "check.unwritable", folder=shown(self.folder)))
        try:
            make_url(self.database_url)
        except ArgumentError:  # its own words would repeat the URL, and a password in it
            yield str(both("config", "check.database"))

    @property
    def key_folder(self) -> Path:
        """The keys that seal anonymous answers while a survey is open; outside of the database on purpose."""
        return self.folder / "survey-keys"


class RemindersTable(Table):
    reminder_interval: Duration = Field(default=timedelta(minutes=15), gt=timedelta(0))
    reminder_times: int = Field(default=4, ge=0, le=20)


class BroadcastsTable(RemindersTable):
    quiet_from: TimeOfDay | None = None  # from then on, what is no emergency waits
    quiet_until: TimeOfDay | None = None  # until then
    notice: RemindersTable | None = None  # a kind with a rhythm of its own
    emergency: RemindersTable | None = None
    drill: RemindersTable | None = None
    approval_headquarters: frozenset[Kind] = frozenset()  # kinds that wait for a second person
    approval_others: frozenset[Kind] = frozenset({"emergency"})  # the same, of senders outside of the headquarters
    approval_expires: Duration = Field(default=timedelta(hours=24), gt=timedelta(0))
    templates: Path = Path(__file__).parent / "templates"  # of usual notices, a TOML file each
    signature: bool = True  # the last line of a notice: who sends it, its number and when
    headquarters: str = Field(default="", max_length=40)  # the name that signs

    @model_validator(mode="after")
    def both_ends_of_the_night(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError(both("config", "setting.night"))
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise ValueError(both("config", "setting.night_same"))
        return self


class FailoverTable(Table):
    """When members are reached at their next address because a platform is down."""

    after: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0), le=timedelta(minutes=10))
    probe: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), le=timedelta(minutes=10))


class SurveysTable(Table):
    definitions: Path = Path(__file__).parent / "surveys"
    reminder_interval: Duration = timedelta(days=2)
    reminder_times: int = Field(default=2, ge=0, le=20)


class RungTable(Table):
    """One rung of a ladder; `after` counts from the moment at which the notice went out."""

    way: Way
    after: Duration


class EscalationTable(Table):
    """What is tried after the reminders, by kind of notice; a drill stays in the chat."""

    notice: tuple[RungTable, ...] = ()
    emergency: tuple[RungTable, ...] = ()
    drill: tuple[RungTable, ...] = ()

    def tables(self) -> dict[Kind, tuple[RungTable, ...]]:
        """The rungs of each kind of notice, as they were written."""
        return {"notice": self.notice, "emergency": self.emergency, "drill": self.drill}

    def ladders(self) -> dict[Kind, Ladder]:
        """The ladder of each kind that has one; ConfigurationError for one that nobody can climb."""
        return {
            kind: checked(kind, tuple(Rung(each.way, each.after) for each in table))
            for kind, table in self.tables().items()
            if table
        }


class JmaTable(Table):
    """Which of the weather agency's telegrams make drafts, and the folder that a receiver drops them into."""

    areas: tuple[str, ...] = ()
    intensity: str = "5-"
    tsunami: str = "advisory"
    warning: str = "警報"
    flood: int = 3
    hold: Duration = timedelta(minutes=10)
    without: tuple[str, ...] = ()
    folder: Path | None = None

    def places(self) -> OurAreas:
        """What `areas` means by the agency's lists."""
        return OurAreas.of(self.areas)

    def rules(self) -> JmaSettings:
        """The same as the desk reads it; ConfigurationError for a value that is none."""
        return JmaSettings(
            self.places().matched(),
            self.intensity,
            self.tsunami,
            self.warning,
            self.flood,
            self.hold,
            frozenset(self.without),
        )


class AuditTable(Table):
    """Where the audit's head is noted outside of the database, daily and at every emergency."""

    anchor_file: Path | None = None


class Settings(BaseSettings):
    """All of it; see `config/kairanban.example.toml` for every key with its meaning."""

    model_config = SettingsConfigDict(
        env_prefix="KAIRANBAN_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    language: Literal["ja", "en"] = "ja"
    server: Server = Server()
    storage: Storage = Storage()
    logochat: LogoChatTable | None = None
    line: LineTable | None = None
    lineworks: LineWorksTable | None = None
    matrix: MatrixTable | None = None
    broadcasts: BroadcastsTable = BroadcastsTable()
    failover: FailoverTable = FailoverTable()
    surveys: SurveysTable = SurveysTable()
    escalation: EscalationTable = EscalationTable()
    mail: MailTable | None = None
    jma: JmaTable = JmaTable()
    audit: AuditTable = AuditTable()
    adapters: dict[str, dict[str, Any]] = Field(default={}, repr=False)  # secrets may stand in them

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # What the file says arrives as init arguments; the environment stands above it.
        return env_settings, init_settings

    @classmethod
    def load(cls, file: Path | None = None) -> Settings:
        """Read the file (the default one may be absent) and the environment; ConfigurationError names each mistake."""
        chosen = file or DEFAULT_FILE
        values: dict[str, Any] = {}
        if file is not None or chosen.exists():
            values = toml_in(chosen)
        try:
            return cls(**values)
        except ValidationError as error:
            lines = "\n  ".join(setting_mistakes(cls, error))
            raise ConfigurationError(f"{both('config', 'setting.mend', file=shown(chosen))}\n  {lines}") from error
        except SettingsError as error:  # a variable of the environment that should be a list and is no JSON
            raise ConfigurationError(both("config", "setting.environment")) from error

    def platforms(self) -> tuple[PlatformTable, ...]:
        """The chat platforms that the settings name, without e-mail."""
        return tuple(table for table in (self.logochat, self.line, self.lineworks, self.matrix) if table is not None)

    def others(self) -> tuple[OtherTable, ...]:
        """The adapters that other packages bring."""
        return tuple(OtherTable(name, values) for name, values in self.adapters.items())

    def problems(self) -> Iterator[str]:
        """A sentence for each thing for which `kairanban serve` would not start; none means ready."""
        if not self.platforms() and not self.others():
            yield str(both("config", "check.no_platform"))
        for table in (*self.platforms(), self.mail):
            if table is not None:
                yield from table.problems()
        for other in self.others():
            yield from other.problems()
        yield from self.storage.problems()
        yield from _refused(lambda: load_definitions(self.surveys.definitions))
        yield from _refused(lambda: load_templates(self.broadcasts.templates))
        yield from _refused(self.escalation.ladders)
        yield from _refused(self.jma.rules)
        yield from self.jma.places().problems()
        anchor = self.audit.anchor_file
        if anchor is not None and not anchor.parent.is_dir():
            yield str(both("config", "check.no_folder", key="[audit] anchor_file", folder=shown(anchor.parent)))
        if self.mail is None and any(
            rung.way == "mail" for table in self.escalation.tables().values() for rung in table
        ):
            yield str(both("config", "check.no_mail"))
        if self.jma.folder is not None and not self.jma.folder.is_dir():
            yield str(both("config", "check.no_folder", key="[jma] folder", folder=shown(self.jma.folder)))

    def warnings(self) -> Iterator[str]:
        """A sentence for each thing with which the bot starts, and of which the operator should know."""
        if self.storage.durability != "full":
            yield str(both("config", "check.durability"))
        tables = [table for table in (*self.platforms(), self.mail, *self.others()) if table is not None]
        secrets = (
            Path(value)
            for table in tables
            for name, value in vars(table).items()
            if name.endswith("_file") and isinstance(value, str | Path)
        )
        for path in readable_by_others(chain(secrets, kept_in(self.storage.folder))):
            yield str(both("config", "check.readable", path=path))


def _refused(make: Callable[[], object]) -> Iterator[str]:
    """What making a part says, if it cannot be made."""
    try:
        make()
    except KairanbanError as error:
        yield str(error)
