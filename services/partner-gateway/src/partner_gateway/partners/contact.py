"""Whom staff reach at a partner. Nothing is sent there by the software, and it is in no event."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from contracts.parts import Name, PhoneNumber
from kit.http import Body

_Trimmed = StringConstraints(strip_whitespace=True)
_Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"), _Trimmed]
_Line = Annotated[str, Field(min_length=1, max_length=100), _Trimmed]


class Contact(Body):
    """Whom staff reach at a partner, and where."""

    name: Annotated[Name, _Trimmed] | None = None
    """A person or a department."""
    email: _Email | None = None
    """E-mail address."""
    phone: Annotated[PhoneNumber, _Trimmed] | None = None
    """Phone number, as it is dialled."""
    address: Annotated[list[_Line], Field(min_length=1, max_length=6)] | None = None
    """Postal address as it stands on a letter, line by line."""

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("must hold something; null takes a contact away")
        return self
