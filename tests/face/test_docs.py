"""The README, the documents, the doctests and the examples say what is true: all of their code runs."""

from __future__ import annotations

import doctest
import functools
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rheobase
from rheobase.engine import operators
from rheobase.engine.backends import registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]
# Modules that cannot be imported everywhere, and why.
NOT_WALKED = {
    f"rheobase.engine.backends.cuda.{name}": "needs numba-cuda, which not every platform has"
    for name in (
        "bind",
        "bind_neurons",
        "bind_projections",
        "emit",
        "machine",
        "operate",
        "plastic",
        "pull",
        "push",
        "recorder",
        "rings",
        "send",
        "words",
    )
}
EXAMPLES = {
    "02_balanced_network.py": ["--seconds", "0.05"],
    "03_convert_digits.py": ["--digits", "10"],
    "04_stdp.py": ["--seconds", "2"],
    "05_own_neuron.py": ["--seconds", "0.3"],
    "06_microcircuit.py": ["--scale", "0.02", "--seconds", "0.1", "--raster", "raster.png"],
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "BACKENDS", dict(registry.BACKENDS))
    monkeypatch.setattr(operators, "KINDS", dict(operators.KINDS))
    # In a module that can be found again: rules are read from their source.
    code = "\n".join(blocks(page, "python"))
    path = tmp_path / f"page_{Path(page).stem.lower()}.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)


def test_the_readme_shows_the_ten_lines():
    ten = blocks("README.md", "python")[0].splitlines()
    assert len(ten) <= 10
    assert ten[0] == "import rheobase as rb"
    assert "rb.energy(result, chip=" in ten[-1]


def test_the_readme_names_the_test_command_that_ci_runs():
    commands = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
    tests = [line for line in commands if '".[test]"' in line]
    assert len(tests) == 1
    # As .ci/run takes it apart.
    install, _, run = tests[0].partition(" && ")
    assert install == 'pip install -c constraints.txt ".[test]"'
    assert run.startswith("pytest ")
    assert """grep -m 1 -F '".[test]" && pytest' README.md""" in (ROOT / ".ci" / "run").read_text()


def test_commands_in_the_readme_exist():
    from rheobase.cli import _COMMANDS

    text = (ROOT / "README.md").read_text()
    listed = re.search(r"`rheobase ((?:\w+ \| )+\w+)`", text)
    assert listed is not None
    assert listed.group(1).split(" | ") == list(_COMMANDS)
    shown = re.findall(r"(?:^|&& )rheobase (\w+)", "\n".join(blocks("README.md", "sh")), re.MULTILINE)
    assert shown
    assert set(shown) <= set(_COMMANDS)


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        goal = (ROOT / page).parent / path if path else ROOT / page
        assert goal.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", goal.read_text(), re.MULTILINE)
            assert anchor in [head.lower().replace(" ", "-") for head in heads], target


@pytest.mark.parametrize(
    "path",
    re.findall(
        r"`((?:[a-z_]+/)+[a-z_0-9]+\.(?:py|md|toml))`", "\n".join((ROOT / p).read_text() for p in PAGES)
    ),
)
def test_files_that_the_documents_name_exist(path):
    found = [ROOT / path, ROOT / "engine" / path, ROOT / "src" / "rheobase" / path]
    assert any(candidate.exists() for candidate in found)


def modules() -> list[str]:
    """Return every module of the package; rooms are asked one by one, as an editable install needs."""
    roots = [rheobase, *(getattr(rheobase, room) for room in rheobase._FOLDERS)]
    found = {root.__name__ for root in roots}
    for root in roots:
        found |= {info.name for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}.")}
    return sorted(found)


def walked() -> list[str]:
    return [name for name in modules() if name not in NOT_WALKED]


def test_doctests_of_the_whole_package_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    attempted, failed = 0, []
    for name in walked():
        module = importlib.import_module(name)
        outcome = doctest.testmod(module, optionflags=flags, raise_on_error=False)
        attempted += outcome.attempted
        if outcome.failed:
            failed.append(f"{name}: {outcome.failed} of {outcome.attempted}")
    assert not failed
    assert attempted > 100


def test_every_room_is_walked_for_doctests():
    rooms = {name.split(".")[1] for name in walked() if name.count(".") >= 1}
    assert rooms >= set(rheobase._FOLDERS)
    assert set(NOT_WALKED) <= set(modules())


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, tmp_path):
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *EXAMPLES[name]],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert len(run.stdout.splitlines()) >= 5


def test_every_example_is_run_but_those_that_train_or_need_a_package():
    scripts = {path.name for path in (ROOT / "examples").glob("[0-9]*.py")}
    # Those of pretrained networks are run by tests/conversion/test_pretrained.py, where their packages are.
    left_out = {
        "01_train_digits.py",
        "07_train_references.py",
        "08_convert_pretrained.py",
        "09_fine_tune_steps.py",
        "10_convert_onnx.py",
        "11_learn_delays.py",  # by tests/learning/test_learned_task.py
        "12_continual.py",
        "13_digits_as_spikes.py",  # by test_training_examples.py, and the next two
        "14_spoken_digits.py",
        "15_moving_digits.py",
        "16_unsupervised_digits.py",  # by tests/learning/test_homeostasis.py
        "17_images_to_events.py",  # by tests/learning/test_transfer_digits.py
    }
    assert scripts == {*EXAMPLES} | left_out
    numbers = sorted(int(name[:2]) for name in scripts)
    assert numbers == list(range(1, len(scripts) + 1))


def documented() -> dict[str, str]:
    """Return each name on docs/api.md with the line that shows it, signatures on one line."""
    text = re.sub(r"\n {4}", " ", "\n".join(blocks("docs/api.md", "text")))
    return {re.split(r"\(", line)[0]: line for line in text.splitlines() if line}


def as_documented(name: str) -> str:
    thing = functools.reduce(getattr, name.split("."), rheobase)
    if not callable(thing) or (isinstance(thing, type) and issubclass(thing, Exception)):
        return name
    signature = inspect.signature(thing)
    parameters = [
        p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name not in ("self", "cls")
    ]
    text = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    return name + re.sub("=<dataclasses[^>]*>", "", text.replace("<factory>", "{}"))


def test_the_api_page_lists_exactly_the_public_names():
    assert {name for name in documented() if "." not in name} == set(rheobase.__all__)


@pytest.mark.parametrize("name", documented())
def test_a_signature_on_the_api_page_is_the_real_one(name):
    assert documented()[name] == as_documented(name)


def models() -> set[str]:
    """Return the public neuron models and learning rules, without the base classes for authors."""
    kinds = (rheobase.NeuronModel, rheobase.PlasticityRule)
    things = ((name, getattr(rheobase, name)) for name in rheobase.__all__)
    return {n for n, t in things if isinstance(t, type) and issubclass(t, kinds) and t not in kinds}


def test_every_model_has_a_page_with_an_equation_a_figure_and_a_source():
    folder = ROOT / "docs" / "models"
    rows = re.findall(r"^\| \[(.+?)\]\((\w+\.md)\) \|", (folder / "README.md").read_text(), re.MULTILINE)
    assert {name for names, _ in rows for name in re.findall(r"`(\w+)`", names)} == models()
    for _, page in rows:
        text = (folder / page).read_text()
        drawing = re.search(r"!\[.+\]\((\.\./figures/models/\w+\.svg)\)", text)
        assert "$$" in text, page
        assert "**Source**" in text, page
        assert drawing, page
        assert (folder / drawing.group(1)).exists(), page
