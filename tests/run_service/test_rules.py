"""The plain rules, for any input."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts import Money
from run_service.candidates.member import is_minor, of_age_on
from run_service.money import sums_of
from run_service.runs.run import Progress, RunStatus, next_status, three_months_before

DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))
FINAL = (RunStatus.REJECTED, RunStatus.CANCELLED)


@given(DAYS)
def test_of_age_eighteen_years_after_birth_r3(birth_date: date) -> None:
    of_age = of_age_on(birth_date)
    assert of_age.year == birth_date.year + 18
    born = (birth_date.month, birth_date.day)
    assert (of_age.month, of_age.day) == ((3, 1) if born == (2, 29) else born)


@given(DAYS, DAYS, DAYS)
def test_minor_on_either_day_is_a_minor_r3(birth_date: date, arose_on: date, today: date) -> None:
    on_either = [day < of_age_on(birth_date) for day in (arose_on, today)]
    assert is_minor(birth_date, arose_on, today) is any(on_either)
    assert not is_minor(None, arose_on, today)


@given(st.dates())
def test_three_months_before_is_at_most_that_day_of_the_month_r5(day: date) -> None:
    before = three_months_before(day)
    if before == date.min:
        return
    assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == 3
    assert before.day == day.day or (before.day < day.day and (before + timedelta(days=1)).day == 1)


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    """Draw a progress that can be: members, and what became of each."""
    kinds = ("pending", "accepted", "rejected", "ended", "reversed", "ended-unanswered")
    members = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6))
    return Progress(
        members=len(members),
        accepted=sum(each in ("accepted", "ended", "reversed") for each in members),
        rejected=members.count("rejected"),
        unanswered=members.count("ended-unanswered"),
        ended=sum(each in ("ended", "reversed", "ended-unanswered") for each in members),
        reversed=members.count("reversed"),
    )


@given(st.sampled_from(RunStatus), progresses(), st.booleans())
def test_a_run_moves_only_when_it_must_r8_r10(
    status: RunStatus, progress: Progress, reversal_requested: bool
) -> None:
    after = next_status(status, progress, reversal_requested=reversal_requested)
    again = next_status(after, progress, reversal_requested=reversal_requested)
    assert again is after
    if status in FINAL:
        assert after is status
    elif reversal_requested:
        assert (after is RunStatus.CANCELLED) is (progress.not_ended == 0)
    elif status is RunStatus.IN_PROGRESS and progress.answered == progress.members:
        assert after is (RunStatus.HANDED_OVER if progress.accepted else RunStatus.REJECTED)
    else:
        assert after is status


AMOUNTS = st.decimals("0.00", "99999.99", places=2, allow_nan=False)
MONEY = st.builds(Money, amount=AMOUNTS, currency=st.sampled_from(["EUR", "CHF", "USD"]))


@given(st.lists(MONEY))
def test_sums_lose_no_cent_and_stand_once_for_each_currency(amounts: list[Money]) -> None:
    sums = sums_of(amounts)
    currencies = [money.currency for money in sums]
    assert currencies == sorted({money.currency for money in amounts})
    for money in sums:
        same = [each.amount for each in amounts if each.currency == money.currency]
        assert money.amount == sum(same, Decimal(0))
