"""The base of all that the HTTP interface shows; each noun has `views.py` of its own."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from contracts import Currency


class View(BaseModel):
    """The base of answers; docstrings of fields become descriptions in OpenAPI."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


def _in_cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))  # the sum of nothing is 0


class Sum(View):
    """A sum of amounts; it may be larger than a single amount can be."""

    amount: Annotated[Decimal, AfterValidator(_in_cents)]
    currency: Currency
