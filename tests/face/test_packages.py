"""The closed list of packages in pyproject.toml is the list of folders that hold an __init__.py."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
NOT_OURS = {"tests", "build", "dist"}


def package_of(folder: Path) -> str:
    """Name under which a folder of the repository is installed."""
    parts = folder.relative_to(ROOT).parts
    inner = parts[2:] if parts[:2] == ("src", "rheobase") else parts
    return ".".join(("rheobase", *inner))


def folders() -> set[Path]:
    return {
        path.parent
        for path in ROOT.rglob("__init__.py")
        if not any(part in NOT_OURS or part.startswith(".") for part in path.relative_to(ROOT).parts)
    }


def test_packages_are_exactly_the_folders_with_an_init():
    packages = SETUPTOOLS["packages"]
    assert len(packages) == len(set(packages))
    assert set(packages) == {package_of(folder) for folder in folders()}


def test_every_top_level_folder_is_mapped_to_where_it_lies():
    for folder in folders():
        name = package_of(folder)
        if name.count(".") <= 1:
            assert ROOT / SETUPTOOLS["package-dir"][name] == folder
