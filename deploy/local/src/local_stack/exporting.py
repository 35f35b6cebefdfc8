"""The part of the story that is about files: staff export a run, and the members overview."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from local_stack import export_files
from local_stack.export_files import Overview
from local_stack.figures import Figures, as_text, figures_of, sum_of
from local_stack.http_client import Answer, until
from local_stack.scene import HandedOver, Scene, same

_COLUMNS = 61


def export(scene: Scene, run: HandedOver, studio_ids: Sequence[UUID]) -> int:
    """Exports the run of these studios, and who is in collection; returns the number of files."""
    of_studios = {
        studio_id: figures_of(one for one in scene.candidates if one.studio_id == studio_id)
        for studio_id in studio_ids
    }
    folder = scene.stack.directory / "demo"
    folder.mkdir(exist_ok=True)
    _run(scene, run, folder)
    _each_studio(scene, run, of_studios, folder / "run.zip")
    _one_studio(scene, run, of_studios, folder / "studio.csv")
    _open_cases(scene, folder / "members.xlsx")
    return 5


def _run(scene: Scene, run: HandedOver, folder: Path) -> None:
    """The run as CSV and as Excel."""
    for format_, read in (("csv", export_files.read_csv), ("xlsx", export_files.read_xlsx)):
        file = folder / f"run.{format_}"
        _order(scene, {"run_id": run.run_id, "format": format_}, file)
        content = read(file)
        same(f"the columns of {file.name}", len(content.columns), _COLUMNS)
        same(f"the figures of {file.name}", content.figures, run.figures)
    scene.say(
        f"the run is exported to {folder}/run.csv and run.xlsx: {run.figures.claims} rows of"
        f" {_COLUMNS} columns, {as_text(run.figures.totals)} to the cent"
    )


def _each_studio(
    scene: Scene, run: HandedOver, of_studios: dict[UUID, Figures], file: Path
) -> None:
    """The run as a file for each studio."""
    _order(scene, {"run_id": run.run_id, "format": "csv", "per_studio": True}, file)
    files = export_files.read_zip(file)
    same(
        f"the figures of the files in {file.name}",
        {studio_id: content.figures for studio_id, content in files.items()},
        of_studios,
    )
    scene.say(f"{file.name} holds the same rows in {len(files)} files, one for each studio")


def _one_studio(scene: Scene, run: HandedOver, of_studios: dict[UUID, Figures], file: Path) -> None:
    """A small export, in the answer to its order."""
    studio_id, expected = min(of_studios.items(), key=lambda item: item[1].claims)
    order = {"run_id": run.run_id, "format": "csv", "studio_ids": [str(studio_id)]}
    file.write_bytes(scene.exports.file_at_once("/v1/exports", order))
    same(f"the figures of {file.name}", export_files.read_csv(file).figures, expected)
    scene.say(f"{file.name}, the {expected.claims} rows of one studio, came at once")


def _open_cases(scene: Scene, file: Path) -> None:
    """The members overview in English, filtered, as soon as it is what case-service says."""
    cases = list(scene.cases.all("/v1/cases", status="OPEN"))
    expected = Overview(
        len(cases),
        sum_of(case["handed_over"] for case in cases),
        sum_of(case["open"] for case in cases),
    )
    order = {
        "kind": "MEMBERS",
        "format": "xlsx",
        "language": "en",
        "filters": {"status": ["OPEN"]},
    }

    def ask() -> Answer:
        _order(scene, order, file)
        return {"overview": export_files.read_overview(file)}

    until(
        ask,
        lambda answer: answer["overview"] == expected,
        limit=scene.limit,
        what=f"the export of the open cases is what case-service says ({expected})",
    )
    scene.say(
        f"{file.name} lists the {expected.cases} open cases as case-service has them:"
        f" {as_text(expected.open)} open of {as_text(expected.handed_over)}"
    )


def _order(scene: Scene, order: dict[str, Any], file: Path) -> None:
    """Orders an export, waits for it, and fetches it."""
    path = f"/v1/exports/{scene.exports.post('/v1/exports', order)['export_id']}"
    done = until(
        lambda: scene.exports.get(path),
        lambda answer: answer["status"] in ("COMPLETED", "FAILED"),
        limit=scene.limit,
        what="the export is ready",
    )
    same(f"the status of the export for {file.name}", done["status"], "COMPLETED")
    file.write_bytes(scene.exports.file(f"{path}/file"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    same(f"the digest of {file.name}", digest, done["sha256"])
