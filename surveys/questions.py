"""Puts a step into a message: its text, and buttons where they fit.

Nothing in a message depends on what an anonymous person has answered: messages are stored by the outbox. A number
that is typed means the button in that place, so platforms without buttons, which print them as a numbered list, need
nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from bot.folding import fold
from bot.messages import Button, Message
from bot.texts import Texts
from surveys.definition import Definition, FreeText, Multiple, Number, Option, Scale, Step, WithOptions, scale_label
from surveys.ticked import means_place

BUTTONS = 10
"""Buttons under one message at most: what the narrowest of the platforms with buttons takes."""
LABEL = 40
"""Characters of a button's label at most (`bot.messages.Button`)."""


def topic(survey_id: int, step: Step) -> str:
    """What a question's message refers to."""
    return f"survey:{survey_id}:question:{step.key}:{step.question.kind}"


def order(step: Step, survey_id: int, member_id: int) -> list[int]:
    """The codes of the options in the order in which this person sees them, always the same for them."""
    if not isinstance(step.question, WithOptions):
        return []
    shown = list(range(1, len(step.question.options) + 1))
    if step.question.shuffle:
        # "Other" and "none of these" make sense only after what they set themselves apart from.
        free = [code for code in shown if not _tail(step.question.options[code - 1])]
        random.Random(f"{survey_id}:{member_id}:{step.key}").shuffle(free)  # noqa: S311 - no secret, only an order
        shown = free + [code for code in shown if _tail(step.question.options[code - 1])]
    return shown


def ask(
    texts: Texts, definition: Definition, survey_id: int, member_id: int, step: Step, *, seen: bool, note: str = ""
) -> Message:
    """The message that asks `step`; `seen` says that the person has passed it before, `note` goes before it."""
    question = step.question
    shown = order(step, survey_id, member_id)
    choices = choice_buttons(step, survey_id, shown)
    lines = [note] if note else []
    lines.append(texts("survey.progress", number=step.index + 1, total=len(definition.steps)))
    if question.section and (step.index == 0 or definition.steps[step.index - 1].question.section != question.section):
        lines.append(texts("survey.section", section=question.section))
    lines.append(step.text)
    if definition.anonymous and question.when is not None:
        earlier = definition.by_key[question.when.question].question
        lines.append(
            texts("survey.only_if", question=earlier.text, answers="・".join(str(a) for a in question.when.answers))
        )
    if isinstance(question, WithOptions) and not choices:
        lines += [f"{place}. {question.options[code - 1].label}" for place, code in enumerate(shown, start=1)]
    lines.append(_hint(texts, step, shown))
    return Message(
        text="\n".join(line for line in lines if line),
        buttons=(*choices, *_ways(texts, definition, survey_id, step, seen=seen)),
        reference=topic(survey_id, step),
    )


def choice_buttons(step: Step, survey_id: int, shown: Sequence[int]) -> list[Button]:
    """One button for each answer, or none at all where they would not fit beside 戻る, 答えない and そのまま."""
    question = step.question
    data = f"survey:answer:{survey_id}:{step.index}:"
    if isinstance(question, WithOptions):
        labels = [(question.options[code - 1].label, code) for code in shown]
    elif isinstance(question, Scale) and question.low == 1:
        labels = [(scale_label(question, value), value) for value in range(question.low, question.high + 1)]
    else:
        return []
    if len(labels) > BUTTONS - 3 or any(len(label) > LABEL for label, _ in labels):
        return []
    return [Button(label=label, data=f"{data}{code}") for label, code in labels]


def optional(definition: Definition, step: Step) -> bool:
    """Whether the step may be left blank.

    In an anonymous survey everyone is asked what stands on a branch, as the messages they get would otherwise tell
    how they answered before; those whom it does not concern leave it blank.
    """
    return not step.question.required or (definition.anonymous and step.question.when is not None)


def typed_button(text: str, step: Step, shown: Sequence[int], buttons: Sequence[Button]) -> Button | None:
    """The button whose label or place was typed; for questions without choices, only labels count.

    A number that could also be a figure in a label is left to the reader of answers, which asks.
    """
    typed = fold(text)
    for button in buttons:
        if typed == fold(button.label):
            return button
    if not typed.isdecimal() or not any(button.data.startswith("survey:answer:") for button in buttons):
        return None
    place = int(typed[:4])
    if not 1 <= place <= len(buttons):
        return None
    question = step.question
    if isinstance(question, WithOptions):
        places = [*shown, *[0] * (len(buttons) - len(shown))]
        if not means_place(question.options, places, place):
            return None
    return buttons[place - 1]


def is_a_way(texts: Texts, typed: str) -> bool:
    """Whether the label of 答えない, そのまま or 戻る was typed; where it is not offered, it is no answer either."""
    return fold(typed) in {fold(texts(f"survey.button.{way}")) for way in ("blank", "keep", "back")}


def _ways(texts: Texts, definition: Definition, survey_id: int, step: Step, *, seen: bool) -> list[Button]:
    ways = []
    if optional(definition, step):
        ways.append(Button(label=texts("survey.button.blank"), data=f"survey:blank:{survey_id}:{step.index}"))
    if seen:
        ways.append(Button(label=texts("survey.button.keep"), data=f"survey:keep:{survey_id}:{step.index}"))
    if step.index > 0:
        ways.append(Button(label=texts("survey.button.back"), data=f"survey:back:{survey_id}:{step.index}"))
    return ways


def _hint(texts: Texts, step: Step, shown: Sequence[int]) -> str:
    question, count = step.question, len(shown)
    if isinstance(question, WithOptions) and not all(
        means_place(question.options, shown, place) for place in range(1, count + 1)
    ):
        return texts("survey.hint.figures")
    if isinstance(question, Multiple):
        return texts("survey.hint.multiple")
    if isinstance(question, WithOptions):
        if any(option.other for option in question.options):
            return texts("survey.hint.other", number=count)
        return texts("survey.hint.choice")
    if isinstance(question, Scale):
        low, high = scale_label(question, question.low), scale_label(question, question.high)
        return texts("survey.hint.scale", low=low, high=high)
    if isinstance(question, Number):
        return texts("survey.hint.number", unit=question.unit).strip()
    if isinstance(question, FreeText):
        return texts("survey.hint.text", limit=question.max_length)
    return texts("survey.hint.date")


def _tail(option: Option) -> bool:
    return option.other or option.exclusive
