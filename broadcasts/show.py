"""Previews and standings as messages: plain lines, cut at line ends where they outgrow one message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from bot.clock import to_tokyo
from bot.messages import Attachment
from bot.recurrence import in_words, shown
from bot.texts import Texts
from broadcasts.corrections import Correction
from broadcasts.preview import Preview
from broadcasts.repetition import Repetition
from broadcasts.report import Status, Unread
from broadcasts.responses import clock_time
from broadcasts.tree import Branch, subtree
from broadcasts.wording import file_line

LISTED_DEPARTMENTS = 30
"""Departments that a preview names; the rest is summed up, so that the text stays in sight."""

LISTED_NAMES = 10
"""Names of an audience that a preview repeats; how many more there are is said."""


def platform_name(texts: Texts, name: str) -> str:
    """A platform as people call it; an adapter that the catalogue does not know is called by its own name."""
    key = f"platform.{name}"
    return texts(key) if key in texts else name


def preview(texts: Texts, seen: Preview, limit: int, hint: str | None = None) -> list[str]:
    """A draft as its author checks it, in messages of at most `limit` characters; the last takes the buttons.

    `hint` is the sentence that names those buttons, where they are not the usual ones; empty where there are none.
    """
    routes = []
    if seen.rooms:
        titles = texts("read.name_separator").join(title for title, _ in seen.rooms)
        members = sum(count for _, count in seen.rooms)
        routes.append(texts("broadcast.routes_rooms", rooms=len(seen.rooms), members=members, titles=titles))
    if seen.pair_talks:
        routes.append(texts("broadcast.routes_pairs", members=seen.pair_talks))
    if seen.unreachable:
        routes.append(texts("broadcast.routes_unreachable", members=seen.unreachable))
    if len(seen.platforms) > 1:
        routes += [
            texts("broadcast.routes_platform", platform=platform_name(texts, name), members=count)
            for name, count in seen.platforms
        ]
    routes += [texts("broadcast.platform_down", platform=platform_name(texts, name)) for name in seen.down]
    listed = [
        texts("broadcast.department_line", department=name, members=count)
        for name, count in seen.departments[:LISTED_DEPARTMENTS]
    ]
    if rest := seen.departments[LISTED_DEPARTMENTS:]:
        listed.append(
            texts("broadcast.departments_more", departments=len(rest), members=sum(count for _, count in rest))
        )
    if seen.unranked:
        names = texts("read.name_separator").join(post for post, _ in seen.unranked)
        routes.append(texts("broadcast.unranked", posts=names, members=sum(count for _, count in seen.unranked)))
    if seen.sounds_like:
        routes += ["", texts("broadcast.looks_urgent", word=seen.sounds_like)]
    whole = texts(
        "broadcast.preview",
        id=seen.id,
        kind=texts(f"kind.{seen.kind}"),
        recipients=seen.recipients,
        audience=audience(texts, seen.included, seen.excluded),
        routes="\n".join(routes),
        departments="\n".join(listed),
        text=seen.text,
    )
    lines = whole.split("\n")
    if seen.buttons:
        labels = "".join(texts("question.button", label=label) for label in seen.buttons)
        lines += ["", texts("question.preview", labels=labels)]
    if seen.attachments:
        lines += ["", *attached(texts, seen.attachments, seen.without_files)]
    usual = "broadcast.confirm_hint"
    if (planned := seen.planned) is not None:
        usual = "schedule.confirm_hint"
        moments = "\n".join(texts("schedule.moment_line", moment=shown(at, texts.language)) for at in planned.moments)
        lines += ["", texts("schedule.preview", rule=in_words(planned.rule, texts.language), moments=moments)]
    if seen.held_until is not None:
        held = "quiet.preview" if planned is None else "schedule.preview_held"
        lines += ["", texts(held, time=moment(seen.held_until))]
    asked = texts(usual) if hint is None else hint
    return pages([*lines, "", asked] if asked else lines, limit)


def audience(texts: Texts, included: Sequence[str], excluded: Sequence[str]) -> str:
    """An audience as it is typed: `@福祉部 @課長以上 -@総務課`, or 全職員."""
    names = [f"@{name}" for name in included[:LISTED_NAMES]]
    if len(included) > LISTED_NAMES:
        names.append(texts("broadcast.names_more", count=len(included) - LISTED_NAMES))
    left_out = [f"-@{name}" for name in excluded[:LISTED_NAMES]]
    if len(excluded) > LISTED_NAMES:
        left_out.append(texts("broadcast.names_more", count=len(excluded) - LISTED_NAMES))
    return " ".join([*(names or [texts("broadcast.everyone")]), *left_out])


def repeated(texts: Texts, found: Repetition) -> str:
    """What a notice would say once more, and to how many."""
    return texts(
        f"check.repeated_{found.state}", id=found.id, time=moment(found.at), author=found.author, members=found.members
    )


def approval_hint(texts: Texts, seen: Preview) -> str:
    """The sentence that names an approver's buttons."""
    return texts("approval.decide_hint" if seen.planned is None else "approval.decide_hint_planned")


def attached(
    texts: Texts, attachments: Sequence[Attachment], without_files: Sequence[tuple[str, int]], key: str = "preview"
) -> list[str]:
    """What goes along, by name and size, and for how many people it does not."""
    lines = [texts(f"attachment.{key}", count=len(attachments))]
    lines += [texts("attachment.line", file=file_line(texts, each)) for each in attachments]
    return lines + [texts("attachment.not_on", platform=name, members=count) for name, count in without_files]


def correction(texts: Texts, seen: Correction, limit: int) -> list[str]:
    """A correction as its author checks it, in messages; the last takes the buttons."""
    lines = texts(
        "correction.preview",
        id=seen.broadcast_id,
        kind=texts(f"kind.{seen.kind}"),
        recipients=seen.recipients,
        read=seen.read,
        text=seen.text,
    ).split("\n")
    if seen.buttons:
        labels = "".join(texts("question.button", label=label) for label in seen.buttons)
        lines.append(texts("question.preview", labels=labels))
    if seen.attachments:
        lines += ["", *attached(texts, seen.attachments, seen.without_files)]
    if seen.kept:
        lines += ["", *attached(texts, seen.kept, (), "kept_on")]
    if seen.dropped:
        lines += ["", *attached(texts, seen.dropped, (), "dropped_from")]
    if seen.held_until is not None:
        lines.append(texts("correction.held_preview", time=clock_time(seen.held_until)))
    if seen.warnings:
        findings = "\n".join(texts(each.key, found=each.found) for each in seen.warnings)
        return pages([*lines, "", *texts("check.warned", findings=findings).split("\n")], limit)
    return pages([*lines, "", texts("broadcast.confirm_hint")], limit)


def status(texts: Texts, found: Status, unread: Sequence[Unread] | None, limit: int) -> list[str]:
    """Where a notice stands: counts and ratios first, then departments, or with `unread` the names."""
    if unread is not None:
        return pages(_names(texts, found, unread), limit)
    lines = [
        texts(
            "read.status",
            id=found.id,
            kind=texts(f"kind.{found.kind}"),
            sent_at=moment(found.sent_at),
            read=found.read,
            recipients=found.recipients,
            percent=percent(found.read, found.recipients),
            unread=found.unread,
            reminders=found.reminders,
        )
    ]
    lines += _afterwards(texts, found)
    if found.waiting:
        lines.append(texts("read.waiting", members=found.waiting))
    if found.moved:
        lines.append(texts("read.moved", members=found.moved))
    if found.undelivered:
        lines.append(texts("read.undelivered", members=found.undelivered, id=found.id))
    if found.unreachable:
        lines.append(texts("read.unreachable", members=found.unreachable))
    lines += ["", texts("read.departments")]
    lines += _branches(texts, found.departments)
    if found.unread:
        lines += ["", texts("read.unread_hint", id=found.id)]
    return pages(lines, limit)


def place(texts: Texts, found: Status, top: Branch, unread: Sequence[Unread] | None, limit: int) -> list[str]:
    """Where a notice stands in one department and below it; with `unread` the names there."""
    lines = [
        texts(
            "read.place",
            id=found.id,
            department="／".join(top.path),
            read=top.read,
            recipients=top.recipients,
            percent=percent(top.read, top.recipients),
            unread=top.unread,
        )
    ]
    if unread is not None:
        return pages([*lines, *_by_department(texts, unread)], limit)
    return pages([*lines, *_branches(texts, subtree(found.departments, top)[1:], top.depth + 1)], limit)


def _branches(texts: Texts, tree: Sequence[Branch], from_depth: int = 0) -> list[str]:
    return [
        texts("read.indent") * (each.depth - from_depth)
        + texts(
            "read.department_line",
            department=each.name,
            read=each.read,
            recipients=each.recipients,
            percent=percent(each.read, each.recipients),
        )
        for each in tree
    ]


def _afterwards(texts: Texts, found: Status) -> list[str]:
    """Answers, recall and corrections, where there are any."""
    lines = []
    if found.tally is not None:
        answered = found.tally.answered
        lines.append(
            texts(
                "read.answers",
                answered=answered,
                recipients=found.recipients,
                percent=percent(answered, found.recipients),
                command=texts(f"tally.command_{found.tally.question.asks}"),
                id=found.id,
            )
        )
    if found.afterwards is None:
        return lines
    if found.afterwards.recalled_at is not None:
        recalled_at = moment(found.afterwards.recalled_at)
        lines.append(texts("read.recalled", time=recalled_at, read=found.afterwards.read_before_recall))
    lines += [
        texts("read.corrected", number=each.number, time=moment(each.sent_at), read=each.read, before=each.read_before)
        for each in found.afterwards.corrections
    ]
    return lines


def moment(at: datetime) -> str:
    """A moment as people in Japan read it: `2023-10-05 21:34`."""
    return to_tokyo(at).strftime("%Y-%m-%d %H:%M")


def _names(texts: Texts, found: Status, unread: Sequence[Unread]) -> list[str]:
    if not unread:
        return [texts("read.everyone_read", id=found.id, recipients=found.recipients)]
    return [texts("read.unread_title", id=found.id, members=len(unread)), *_by_department(texts, unread)]


def _by_department(texts: Texts, unread: Sequence[Unread]) -> list[str]:
    lines = []
    for department, group in groupby(unread, key=lambda each: each.department):
        names = [_named(texts, each) for each in group]
        together = texts("read.name_separator").join(names)
        lines.append(texts("read.unread_department", department=department, members=len(names), names=together))
    return lines


def _named(texts: Texts, person: Unread) -> str:
    if not person.reachable:
        return texts("read.unreachable_name", name=person.name)
    return texts("read.undelivered_name", name=person.name) if person.undelivered else person.name


def percent(part: int, whole: int) -> int:
    """Whole percents, rounded down: 100 only when it is everybody."""
    return part * 100 // whole if whole else 100


def pages(lines: Iterable[str], limit: int) -> list[str]:
    """The lines in as few messages as hold them; a line longer than a message is cut."""
    found = [""]
    for line in lines:
        for start in range(0, max(len(line), 1), limit):
            piece = line[start : start + limit]
            if len(found[-1]) + 1 + len(piece) > limit:
                found.append(piece)
            else:
                found[-1] = f"{found[-1]}\n{piece}" if found[-1] else piece
    return [page.strip("\n") for page in found if page.strip()]
