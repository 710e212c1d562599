"""Time saved, and what the chat costs: by month and fiscal year, both starts, both readings of the price table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from trial.evaluation.budget import Offer, Plan
from trial.evaluation.criteria import Agreement
from trial.evaluation.saving import Saving
from trial.evaluation.table import Cell, Chapter, Maker, Table


def saving(make: Maker, savings: Sequence[tuple[str, Saving]]) -> Chapter:
    """`savings`: whose time it is (a key of the catalogue), and how much."""
    columns = make.columns(
        {
            "whose": "words",
            "people": "count",
            "minutes_a_day": "points",
            "days": "count",
            "hours_a_person": "hours",
            "hours": "hours",
            "yen_an_hour": "yen",
            "worth": "yen",
        }
    )
    rows = [
        [
            make.texts(f"whose.{whose}"),
            each.staff,
            _plain(each.minutes_a_day),
            each.days,
            _plain(each.hours_a_person),
            _plain(each.hours),
            each.yen_an_hour,
            each.yen,
        ]
        for whose, each in savings
    ]
    return make.chapter("saving", [make.table("saving", columns, rows, nature="estimated")])


def cost(make: Maker, plans: Sequence[Plan], offers: Sequence[Offer], agreement: Agreement) -> Chapter:
    return make.chapter("cost", [*_cost(make, plans, offers), _besides(make, plans[0], agreement)])


def _besides(make: Maker, plan: Plan, agreement: Agreement) -> Table:
    """What a city pays besides the accounts: a line for each, open where nobody has filled it in."""
    filled = agreement.budget
    hours = None if filled.staff_hours is None else filled.staff_hours * agreement.time_saved.yen_an_hour
    amounts = {"set_up": filled.set_up, "training": filled.training, "staff": hours, "other": filled.other_a_year}
    accounts = plan.year(plan.fiscal_years[-1]).gross
    known = [amount for amount in (accounts, *amounts.values()) if amount is not None]
    rows: list[list[Cell]] = [[make.texts("besides.accounts"), accounts]]
    rows += [[make.texts(f"besides.{name}"), amount] for name, amount in amounts.items()]
    rows.append([make.texts("besides.total"), sum(known) if accounts is not None else None])
    missing = [make.texts(f"besides.{name}") for name, amount in amounts.items() if amount is None]
    note = make.texts("besides.missing", names="、".join(missing)) if missing else ""
    return make.table("besides", make.columns({"what": "words", "yen_a_year": "yen"}), rows, nature="tariff", note=note)


def _cost(make: Maker, plans: Sequence[Plan], offers: Sequence[Offer]) -> Iterator[Table]:
    accounts = offers[0].accounts
    yield make.table(
        "offers",
        make.columns({"reading": "words", "accounts": "count", "price": "yen", "net": "yen", "gross": "yen"}),
        [[make.texts(f"reading.{offer.reading}"), accounts, offer.price, offer.net, offer.gross] for offer in offers],
        nature="tariff",
        note=make.texts("negotiated") if offers[0].net is None else "",
    )
    cheaper: list[list[Cell]] = [
        [
            make.texts(f"reading.{offer.reading}"),
            offer.accounts,
            offer.net,
            offer.cheaper_at,
            offer.cheaper_net,
            offer.net - offer.cheaper_net,
        ]
        for offer in offers
        if offer.net is not None and offer.cheaper_net is not None
    ]
    if cheaper:
        columns = make.columns(
            {
                "reading": "words",
                "accounts": "count",
                "net": "yen",
                "cheaper_accounts": "count",
                "cheaper_net": "yen",
                "saved_a_month": "yen",
            }
        )
        yield make.table("cheaper", columns, cheaper, nature="tariff")
    yield make.table(
        "fiscal_years",
        make.columns(
            {"start": "words", "reading": "words", "fiscal": "text", "months": "count", "net": "yen", "gross": "yen"}
        ),
        [
            [
                make.texts(f"start.{plan.start}"),
                make.texts(f"reading.{plan.reading}"),
                make.texts("fiscal", year=fiscal, era=_era(make, fiscal)),
                plan.months_in_use(fiscal),
                plan.year(fiscal).net,
                plan.year(fiscal).gross,
            ]
            for plan in plans
            for fiscal in plan.fiscal_years
        ],
        nature="tariff",
        accounts=f"{accounts:,}",
    )
    for reading in dict.fromkeys(plan.reading for plan in plans):
        here = [plan for plan in plans if plan.reading == reading]
        columns = [
            make.column("month", "text"),
            *(
                make.column(f"{plan.start}_{kind}", "yen", make.texts(f"bill.{plan.start}_{kind}"))
                for plan in here
                for kind in ("net", "gross")
            ),
        ]
        rows: list[list[Cell]] = [
            [f"{bills[0].month:%Y-%m}", *(amount for bill in bills for amount in (bill.net, bill.gross))]
            for bills in zip(*(plan.bills for plan in here), strict=True)
        ]
        yield make.table(
            "bills",
            columns,
            rows,
            name=f"bills_{reading}",
            nature="tariff",
            reading=make.texts(f"reading.{reading}"),
            accounts=f"{accounts:,}",
        )


def _era(make: Maker, fiscal: int) -> str:
    """令和5 for 2023, as budgets are named; years before 令和 have none here."""
    return make.texts("era", year=fiscal - 2018) if fiscal >= 2019 else ""


def _plain(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else round(float(value), 2)
