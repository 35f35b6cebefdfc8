"""Kinds of partner APIs: an adapter is one module that translates ours to one of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from partner_gateway.adapters import standard
from partner_gateway.adapters.adapter import Adapter


class Api(StrEnum):
    """The kind of API that a partner has."""

    STANDARD = "STANDARD"
    """Our Partner API, as `contracts/partner-api` describes it to agencies."""


ADAPTERS: Final[Mapping[Api, Adapter]] = {Api.STANDARD: standard}
"""The module that speaks each kind."""
