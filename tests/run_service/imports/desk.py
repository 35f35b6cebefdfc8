"""What the tests do with CSV files, in the words of who imports them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text

from contracts import ClaimSnapshotV1, Event, MemberSnapshotV1, StudioSnapshotV1
from kit.ids import new_id
from local_stack.places import PROJECT
from run_service.imports.check_imports import check_imports
from run_service.imports.discard_imports import discard_imports
from run_service.imports.publish_imports import publish_imports
from tests.run_service.world import World

EXAMPLES = PROJECT / "services" / "run-service" / "examples" / "import"
SNAPSHOTS: tuple[type[Event], ...] = (StudioSnapshotV1, MemberSnapshotV1, ClaimSnapshotV1)

Row = Mapping[str, str]

STUDIO: Row = {"studio_number": "S1", "name1": "Studio Süd", "deducts_input_vat": "ja"}
MEMBER: Row = {"membership_number": "0042", "studio_number": "S1", "name1": "Müßig"}
CLAIM: Row = {
    "claim_number": "F1",
    "membership_number": "0042",
    "designation": "Beitrag",
    "voucher_date": "2026-01-01",
    "due_date": "15.01.2026",
    "amount": "1.234,50",
}


def table(*rows: Row) -> str:
    """Return rows as CSV; the headings are those of all of them."""
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    output = io.StringIO()
    writer = csv.DictWriter(output, headings, restval="", delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    return output.getvalue()


def examples() -> dict[str, bytes]:
    """Return the example files."""
    return {path.stem: path.read_bytes() for path in EXAMPLES.glob("*.csv")}


@dataclass
class Desk:
    """Imports of one tenant."""

    world: World

    async def send(self, **files: str | bytes) -> httpx.Response:
        """Send files."""
        return await self.send_as({}, str(new_id()), **files)

    async def send_as(
        self, token: Mapping[str, Any], key: str, **files: str | bytes
    ) -> httpx.Response:
        """Send files with a token and an `Idempotency-Key`."""
        async with self.world.client(**token) as client:
            return await client.post(
                "/imports",
                files={name: (f"{name}.csv", content) for name, content in files.items()},
                headers={"Idempotency-Key": key},
            )

    async def check(self, **files: str | bytes) -> Any:
        """Send files, let them be checked, and return the import."""
        response = await self.send(**files)
        assert response.status_code == 202, response.text
        assert response.json()["status"] == "CHECKING"
        await self.check_all()
        return await self.get(response.json())

    async def publish(self, import_: Any, *, leave_out: bool = False) -> Any:
        """Order a checked import to be published, let that be done, and return the import."""
        response = await self.order(import_, leave_out=leave_out)
        assert response.status_code == 202, response.text
        assert response.json()["status"] == "PUBLISHING"
        await self.publish_all()
        return await self.get(response.json())

    async def bring_in(self, **files: str | bytes) -> Any:
        """Send files without a bad row, and let them be checked and published."""
        return await self.publish(await self.check(**files))

    async def order(
        self, import_: Any, *, leave_out: bool = False, key: str | None = None, **token: Any
    ) -> httpx.Response:
        """Order an import to be published."""
        path = f"/imports/{import_['import_id']}/publication"
        return await self.world.post(path, {"leave_out_bad_rows": leave_out}, key=key, **token)

    async def get(self, import_: Any) -> Any:
        """Read an import anew."""
        return await self.world.get(f"/imports/{import_['import_id']}")

    async def errors(self, import_: Any) -> list[tuple[str, int, str | None, str]]:
        """Return what is wrong with an import."""
        page = await self.world.get(f"/imports/{import_['import_id']}/errors?limit=500")
        assert page["next"] is None
        return [
            (each["file"], each["row"], each["column"], each["message"]) for each in page["items"]
        ]

    async def spoil(self, import_: Any, statement: str) -> None:
        """Spoil what is kept of an import, so that nothing can be done with it."""
        async with self.world.context.database.begin() as connection:
            await connection.execute(
                text(f"{statement} WHERE import_id = :import_id"),
                {"import_id": import_["import_id"]},
            )

    async def check_all(self) -> None:
        """Let the worker check all files."""
        while await check_imports(self.world.context):
            pass

    async def publish_all(self) -> None:
        """Let the worker publish all that is ordered."""
        while await publish_imports(self.world.context):
            pass

    async def discard_all(self) -> None:
        """Let the worker discard what has expired."""
        while await discard_imports(self.world.context):
            pass

    async def snapshots(self) -> list[Any]:
        """Return all snapshots that were published: studios, members, claims."""
        return [each for kind in SNAPSHOTS for each in await self.world.published(kind)]

    async def read_back(self) -> None:
        """Let run-service read what it has published so far, as it does from Kafka."""
        await self.world.feed(*await self.snapshots())

    async def count(self, table_name: str) -> int:
        """Count the rows of a table."""
        async with self.world.context.database.connect() as connection:
            return int(await connection.scalar(text(f"SELECT count(*) FROM {table_name}")))


def files_of(import_: Any, *names: str) -> list[Sequence[Any]]:
    """Return figures of the files of an import."""
    return [tuple(file[name] for name in ("file", *names)) for file in import_["files"]]
