"""What shows a partner that a request is ours: signatures, and its token if it wants one."""

from collections.abc import Sequence
from typing import Final

from kit.clock import now
from partner_gateway import standard_webhooks
from partner_gateway.sealing import Seal

NOT_OPENED: Final = "secret or token cannot be opened: its encryption key is missing"
"""What staff read where `credentials` cannot be made."""


def credentials(
    seal: Seal,
    sealed_secrets: Sequence[bytes],
    sealed_api_token: bytes | None,
    message_id: str,
    body: bytes,
    traceparent: str | None,
) -> dict[str, str]:
    """Return the headers of a request: signed with every secret, for the partner need know but one.

    Raises `NotOpenedError` when the key of a secret or of the token is missing.
    """
    secrets = [seal.open(secret) for secret in sealed_secrets]
    headers = standard_webhooks.sign(secrets, message_id, now(), body)
    if traceparent is not None:
        headers["traceparent"] = traceparent
    if sealed_api_token is not None:
        headers["Authorization"] = f"Bearer {seal.open(sealed_api_token)}"
    return headers
