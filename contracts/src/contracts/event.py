"""What all events share: how they are read, written, typed and keyed."""

import re
from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Strict

T = TypeVar("T")

ListOf = Annotated[tuple[T, ...], Strict(False)]
"""A JSON array. A tuple in Python, so that an event cannot change; built from any sequence."""


class Contract(BaseModel):
    """Base of everything that stands in an event.

    Readers ignore fields that they do not know, so that writers can add some. Values are taken
    strictly (no number from a string, no date from a number). Errors never show the value:
    it may be personal data.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class Event(Contract):
    """Something that happened; the data of one CloudEvent. Its tenant is in the envelope only."""

    TYPE: ClassVar[str]
    """The CloudEvents type, and the name of the schema and of the examples."""
    TOPIC: ClassVar[str]
    """The Kafka topic."""
    KEY: ClassVar[tuple[str, ...]]
    """Names of fields; the first that is not None is the Kafka key."""

    def key(self) -> str:
        """The Kafka key and CloudEvents subject: events with the same key keep their order."""
        for name in self.KEY:
            value = getattr(self, name)
            if value is not None:
                return str(value)
        raise ValueError(f"{self.TYPE} has no key")


def class_name(type_: str) -> str:
    """The name of the class of a type: `case.payment-booked.v1` → `CasePaymentBookedV1`."""
    return "".join(part[0].upper() + part[1:] for part in re.split(r"[.-]", type_))
