"""An issuer of tokens for the local stack: a key made at the start, published as a JWKS."""

import json
import secrets
import threading
import time
from collections.abc import Collection, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from local_stack.ports import HOST

AUDIENCE = "collection"
ROLES = ("collection:read", "collection:manage", "collection:finance", "partner:admin")
_ALGORITHM = "ES256"


class Issuer:
    """Signs tokens, and serves its public key over HTTP from a thread of this program."""

    def __init__(self, port: int = 0) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_id = secrets.token_hex(8)
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self.jwks_url = f"{self.url}/jwks.json"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def token(
        self,
        tenant_id: UUID,
        roles: Iterable[str],
        *,
        subject: str = "demo.staff",
        studio_ids: Collection[UUID] | None = None,
        expires_in: float = 24 * 3600,
    ) -> str:
        """A signed token; `studio_ids` narrows what its bearer sees, `expires_in` is in seconds."""
        now = time.time()
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": int(now),
            "exp": int(now + expires_in),
            "tenant_id": str(tenant_id),
            "roles": list(roles),
        }
        if studio_ids is not None:
            claims["studio_ids"] = [str(studio_id) for studio_id in studio_ids]
        return jwt.encode(claims, self._key, _ALGORITHM, headers={"kid": self._key_id})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        public_key = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        jwk = public_key | {"kid": self._key_id, "alg": _ALGORITHM, "use": "sig"}
        jwks = json.dumps({"keys": [jwk]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/jwks.json":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(jwks)))
                self.end_headers()
                self.wfile.write(jwks)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as above
                """Requests for the public key are not worth a line."""

        return Handler
