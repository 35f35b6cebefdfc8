"""The base of all that the HTTP interface shows; each noun has `views.py` of its own."""

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """The base of answers; docstrings of fields become descriptions in OpenAPI."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)
