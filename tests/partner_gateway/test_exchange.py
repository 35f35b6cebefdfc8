"""Whatever a partner does to a connection, it is no answer and nothing worse (R50)."""

from pathlib import Path

import pytest

from partner_gateway.exchange import NoReplyError, client, exchange
from tests.partner_gateway.network import Network, certificate, server_with_bad_records


async def test_a_partner_that_breaks_tls_after_the_handshake_has_not_answered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = Network(monkeypatch)
    network.names = {"agency.example": [["8.8.8.8"]]}
    tls = certificate(monkeypatch, tmp_path, "agency.example")
    async with server_with_bad_records(tls) as port, client(frozenset()) as http:
        network.servers = {"8.8.8.8": port}
        with pytest.raises(NoReplyError, match="connection: SSLError"):
            await exchange(http, "POST", "https://agency.example/", {}, b"{}", 5)
