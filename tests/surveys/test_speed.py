"""Large surveys are counted quickly and in little memory: the benchmark, ten times smaller."""

from __future__ import annotations

from benchmarks import tables


def test_ten_thousand_answers_are_counted_within_a_tenth_of_the_time_and_all_of_the_memory() -> None:
    found = tables.run(10_000)
    assert found.answers == 10_000
    # The processor's seconds, as the tests share the machine; what is loaded once weighs more on a small survey.
    assert found.busy < tables.SECONDS_GATE / 10 + 1
    assert found.megabytes < tables.MEGABYTES_GATE


def test_memory_does_not_grow_with_the_answers() -> None:
    few, many = tables.run(2_000), tables.run(12_000)
    assert many.megabytes < few.megabytes + 30
