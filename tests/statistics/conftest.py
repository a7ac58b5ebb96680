"""The statistics helpers as a fixture, since test folders are not packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def measure() -> ModuleType:
    """The module spike_statistics, which imports nothing of ours."""
    path = Path(__file__).with_name("spike_statistics.py")
    spec = importlib.util.spec_from_file_location("spike_statistics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
