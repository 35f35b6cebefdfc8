"""Kinds of partner APIs: an adapter is one module that translates ours to one of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from partner_gateway.adapters import balances, standard
from partner_gateway.adapters.adapter import Adapter, PolledAdapter


class Api(StrEnum):
    """The kind of API that a partner has."""

    STANDARD = "STANDARD"
    """Our Partner API, as `contracts/partner-api` describes it to agencies."""
    BALANCES = "BALANCES"
    """An agency's own API: it is asked how much was paid on each case so far."""


ADAPTERS: Final[Mapping[Api, Adapter]] = {Api.STANDARD: standard, Api.BALANCES: balances}
"""The module that speaks each kind."""

POLLED: Final[Mapping[Api, PolledAdapter]] = {Api.BALANCES: balances}
"""Of these the kinds whose partners are asked, for they do not call back."""
