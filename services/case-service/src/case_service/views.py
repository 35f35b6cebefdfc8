"""The base of all that the HTTP interface shows; each noun has `views.py` of its own."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from contracts import Currency


class View(BaseModel):
    """The base of answers; docstrings of fields become descriptions in OpenAPI."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class Sum(View):
    """A sum of amounts; it may be larger than a single amount can be."""

    amount: Decimal
    currency: Currency
