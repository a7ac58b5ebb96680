"""Chip files: every shipped figure has its provenance, and every broken file is refused by name."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest

import rheobase as rb
from rheobase.hardware.chip import KINDS, OPERATION_UNIT

SHIPPED = rb.hardware.chips()


def test_the_machines_that_the_docs_promise_are_shipped():
    assert {"cmos45", "loihi", "spinnaker", "spinnaker2", "gpu", "truenorth"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_constant_has_unit_node_source_and_evidence(name):
    text = (resources.files("rheobase.hardware") / "chips" / f"{name}.toml").read_text("utf-8")
    assert text.startswith("# ")
    raw = tomllib.loads(text)
    assert raw["name"] == name
    chip = rb.Chip.load(name)
    for group, units in (("constants", KINDS[chip.kind]), ("operations", None)):
        for key, constant in getattr(chip, group).items():
            assert constant.value == raw[group][key]["value"] > 0
            assert constant.base_unit == (units[key] if units else OPERATION_UNIT)
            assert constant.node
            assert len(constant.source) > 15
            assert constant.evidence in rb.hardware.EVIDENCE
    assert chip.sources


@pytest.mark.parametrize(
    ("unit", "joules"), [("J/event", 2.0), ("mJ/event", 2e-3), ("nJ/event", 2e-9), ("fJ/event", 2e-15)]
)
def test_prefixes_of_units_are_powers_of_a_thousand(unit, joules):
    constant = rb.hardware.Constant(2.0, unit, "28 nm", "a paper", "measured")
    assert constant.si == pytest.approx(joules, rel=1e-15)


def test_a_file_of_ones_own_loads_by_path(tmp_path, chip_text):
    path = tmp_path / "mine.toml"
    path.write_text(chip_text)
    assert rb.Chip.load(path) == rb.Chip.load(str(path))
    assert rb.Chip.load(path).constants["synaptic_event"].si == pytest.approx(2e-12)


DEFECTS = {
    "unknown top-level key": (('kind = "event"', 'kind = "event"\ncolour = "red"'), "colour"),
    "unknown constant": (("constants.synaptic_event", "constants.synapse"), r"constants\.synapse"),
    "unknown key of a constant": (("value = 2.0", "value = 2.0\nvolts = 1"), "volts"),
    "missing source": (('source = "a paper"\n', ""), "source"),
    "empty source": (('source = "a paper"', 'source = " "'), "source"),
    "missing evidence": (('evidence = "measured"', ""), "evidence"),
    "unknown evidence": (('"measured"', '"hearsay"'), "hearsay"),
    "missing value": (("value = 2.0", ""), "value"),
    "wrong unit": (("pJ/event", "pJ/spike"), r"pJ/spike.*J/event"),
    "unit that is none": (("pJ/event", "parsec"), "parsec"),
    "unknown prefix": (("pJ/event", "kJ/event"), "kJ/event"),
    "negative value": (("value = 2.0", "value = -2.0"), "-2"),
    "zero value": (("value = 2.0", "value = 0"), "above zero"),
    "NaN": (("value = 2.0", "value = nan"), "nan"),
    "infinity": (("value = 2.0", "value = inf"), "inf"),
    "integer beyond floats": (("value = 2.0", "value = 1" + "0" * 400), "inf"),
    "text as value": (("value = 2.0", 'value = "2"'), "'2'"),
    "truth as value": (("value = 2.0", "value = true"), "True"),
    "unknown kind": (('kind = "event"', 'kind = "quantum"'), "quantum"),
    "kind that is a list": (('kind = "event"', "kind = []"), "kind"),
    "newer format": (("format = 1", "format = 2"), "format"),
    "passes on an event machine": (('kind = "event"', 'kind = "event"\npasses = "once"'), "passes"),
    "dense machine without passes": (
        ('kind = "event"', 'kind = "dense"'),
        r"constants\.synaptic_event",
    ),
    "charged twice": (
        ('kind = "event"', 'kind = "event"\nincludes = ["synaptic_event"]'),
        "charged twice",
    ),
    "escape codes in text": (('title = "A toy chip"', r'title = "A \u001b[2J chip"'), "title"),
    "constants that are no table": (("[constants.synaptic_event]", "constants = 3\n[other]"), "other"),
    "not TOML": (("format = 1", "format == 1"), "TOML"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_refused_with_the_file_and_the_field(tmp_path, chip_text, defect):
    (old, new), message = DEFECTS[defect]
    assert old in chip_text
    path = tmp_path / "broken.toml"
    path.write_text(chip_text.replace(old, new))
    with pytest.raises(rb.FormatError, match=rf"(?s)broken\.toml.*{message}"):
        rb.Chip.load(path)


def test_every_truncation_of_a_file_is_refused(tmp_path, chip_text):
    path = tmp_path / "short.toml"
    for length in range(len(chip_text.rstrip())):
        path.write_text(chip_text[:length])
        with pytest.raises(rb.FormatError, match=r"short\.toml"):
            rb.Chip.load(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe\x00", b"PK\x03\x04", b"a = " + b"[" * 20000, b"#" * 70000],
    ids=["empty", "not text", "zip", "nested", "large"],
)
def test_bytes_that_are_no_chip_are_refused(tmp_path, data):
    path = tmp_path / "odd.toml"
    path.write_bytes(data)
    with pytest.raises(rb.FormatError, match=r"odd\.toml"):
        rb.Chip.load(path)


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(rb.SpecError, match=r"'loihi3'.*loihi.*spinnaker2"):
        rb.Chip.load("loihi3")


def test_a_path_that_is_no_file_is_named(tmp_path):
    for path in (tmp_path / "none.toml", Path(tmp_path)):
        with pytest.raises(rb.SpecError, match="no file"):
            rb.Chip.load(path)


def test_a_chip_cannot_be_changed_after_loading():
    chip = rb.Chip.load("loihi")
    with pytest.raises(TypeError):
        chip.constants["synaptic_event"] = chip.constants["packet"]
