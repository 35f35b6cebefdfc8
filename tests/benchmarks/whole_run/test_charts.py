"""Numbers over time as blocks: what is drawn is what was seen."""

from tests.benchmarks.whole_run.charts import line_of, text_of


def test_the_largest_number_is_a_whole_block_and_nothing_is_none() -> None:
    assert line_of([1, 2, 3, 4], [0, 4, 8, 0], width=4) == " ▄█ "


def test_what_is_small_can_be_seen_beside_what_is_large() -> None:
    assert line_of([1, 2], [1, 1_000_000], width=2) == "▁█"


def test_of_several_looks_in_a_column_the_largest_counts() -> None:
    assert line_of([1, 2, 3, 4], [8, 0, 0, 4], width=2) == "█▄"


def test_where_nobody_looked_stands_what_was_seen_before() -> None:
    assert line_of([1, 4], [8, 0], width=4) == "███ "
    assert line_of([3, 4], [8, 0], width=4) == "  █ "


def test_nothing_at_all_is_drawn_as_nothing() -> None:
    assert line_of([0.0], [0], width=3) == "   "


def test_each_series_says_how_much_it_was_at_most() -> None:
    heading, *lines = text_of("lag", [1.0, 2.0], {"case-service": [1_500, 0]}).splitlines()
    assert heading == "lag, over 2.0 s:"
    assert [line.rpartition("| ")[2] for line in lines] == ["at most 1,500"]
