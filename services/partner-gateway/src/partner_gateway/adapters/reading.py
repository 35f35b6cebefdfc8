"""How adapters read what a partner sent: into a model, or with a reason that shows no value."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from partner_gateway.adapters.adapter import UnreadableError

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], body: bytes, within: str = "") -> M:
    """Read JSON; raises `UnreadableError` that names the fields, with `within` before each."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise UnreadableError(
            "; ".join(
                f"{within}{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['type']}"
                for problem in problems[:5]
            )
        ) from None
