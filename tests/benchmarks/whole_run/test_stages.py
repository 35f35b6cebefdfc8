"""When members were through each stage, and which stage the run waited for."""

import pytest
from tests.benchmarks.measuring import slope_of
from tests.benchmarks.whole_run.stages import stages_of

TIMES = [1.0, 2.0, 3.0, 4.0]


def test_a_stage_begins_with_its_first_member_and_ends_with_its_last() -> None:
    (stage,) = stages_of(TIMES, {"published": [0, 1, 9, 10]}, members=10)
    assert (stage.first, stage.last, stage.share) == (2.0, 4.0, 1.0)


def test_the_share_of_a_stage_is_what_the_run_waited_for_it_alone() -> None:
    counts = {
        "published": [5, 10, 10, 10],
        "opened": [0, 5, 10, 10],
        "copied": [5, 10, 10, 10],
        "told": [0, 0, 5, 10],
    }
    stages = stages_of(TIMES, counts, members=10)
    assert [stage.share for stage in stages] == [0.5, 0.25, 0.0, 0.25]
    assert [stage.last for stage in stages] == [2.0, 3.0, 2.0, 4.0]


def test_a_stage_may_count_more_as_messages_may_come_twice() -> None:
    (stage,) = stages_of(TIMES, {"published": [0, 0, 12, 12]}, members=10)
    assert stage.last == 3.0


def test_a_stage_that_not_all_got_through_is_an_error() -> None:
    with pytest.raises(ValueError, match="opened: 10 members"):
        stages_of(TIMES, {"opened": [0, 5, 8, 9]}, members=10)


def test_what_grows_as_its_size_has_a_slope_of_one() -> None:
    assert slope_of({10: 2.0, 100: 20.0, 1_000: 200.0}) == pytest.approx(1.0)


def test_what_grows_with_the_square_has_a_slope_of_two() -> None:
    assert slope_of({10: 1.0, 20: 4.0, 40: 16.0}) == pytest.approx(2.0)
