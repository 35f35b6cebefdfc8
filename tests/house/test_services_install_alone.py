"""Each service is installed without the others, with nothing but what it declares (R61)."""

import os
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
import uv

ROOT = Path(__file__).parents[2]
FIND = """
import importlib.util, sys
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name)])
"""


@dataclass(frozen=True)
class Member:
    """A service's folder, the Python packages that it ships, and the programs in them."""

    folder: Path
    packages: tuple[str, ...]
    programs: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read what a service says of itself."""
        content = tomllib.loads((folder / "pyproject.toml").read_text())
        paths = content["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        packages = tuple(path.removeprefix("src/") for path in paths)
        return cls(folder, packages, tuple(content["project"]["scripts"]))


SERVICES = [Member.of(file.parent) for file in sorted(ROOT.glob("services/*/pyproject.toml"))]


def run(command: Sequence[str | Path], directory: Path) -> str:
    """Run a program that has nothing from here, and return what it prints."""
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment for one service after the other: what one leaves, the next need not bring."""
    directory = tmp_path_factory.mktemp("install")
    run([uv.find_uv_bin(), "venv", "alone"], directory)
    return directory / "alone"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.folder.name)
def test_a_service_is_installed_and_starts_alone(
    service: Member, alone: Path, tmp_path: Path
) -> None:
    assert service.folder.name in service.programs
    everybodys = {package for each in SERVICES for package in each.packages}
    tool = uv.find_uv_bin()
    python = alone / "bin" / "python"
    ours = [ROOT / "contracts", ROOT / "kit", service.folder]
    into = ["--python", str(python)]
    locked = ["--constraints", str(ROOT / "requirements.lock")]
    # Exactly what it needs: whatever another service has left is taken away.
    run([tool, "pip", "install", "--exact", *into, *locked, *ours], tmp_path)
    run([tool, "pip", "check", *into], tmp_path)
    found = run([python, "-I", "-c", FIND, *everybodys, "local_stack"], tmp_path).split()
    assert {*found} == {*service.packages}
    for package in service.packages:
        (installed,) = alone.glob(f"lib/*/site-packages/{package}")
        assert files_of(installed) == files_of(service.folder / "src" / package)
    for program in service.programs:
        # Imports all that the program is made of.
        assert run([python.with_name(program), "--help"], tmp_path).startswith(f"usage: {program}")


def files_of(package: Path) -> set[Path]:
    """Return what a package consists of, migrations too."""
    return {
        path.relative_to(package)
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
