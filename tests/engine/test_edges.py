"""Lists of synapses: from text, from arrays and from every kind of sparse matrix, with clear complaints."""

import numpy as np
import pytest
from scipy import sparse

import rheobase as rb


@pytest.fixture
def pairs():
    rng = np.random.default_rng(2)
    return (
        rng.integers(0, 5, 30),
        rng.integers(0, 7, 30),
        rng.normal(size=30).round(4),
        rng.uniform(1, 9, 30).round(2),
    )


@pytest.mark.parametrize("separator", [",", "\t", " ", ", "])
@pytest.mark.parametrize(
    "head", [None, ("source", "target", "weight", "delay"), ("delay", "w", "post", "pre")]
)
def test_a_text_file_is_read_by_its_names_or_in_order(pairs, tmp_path, separator, head):
    columns = dict(zip(("pre", "post", "weight", "delay"), pairs, strict=True))
    synonyms = {"source": "pre", "target": "post", "w": "weight"}
    order = [synonyms.get(name, name) for name in head or columns]
    rows = [separator.join(str(columns[name][k]) for name in order) for k in range(30)]
    lines = [
        "# a comment",
        *([separator.join(head)] if head else []),
        "",
        *rows[:10],
        rows[10] + "  # why",
        *rows[11:],
    ]
    (tmp_path / "edges").write_text("\n".join(lines))
    edges = rb.read_edges(tmp_path / "edges", weight_unit=rb.pA, delay_unit=rb.ms)
    assert len(edges) == 30
    np.testing.assert_array_equal(edges.connectivity.pre_ids, pairs[0])
    np.testing.assert_array_equal(edges.connectivity.post_ids, pairs[1])
    np.testing.assert_allclose(edges.weight, pairs[2] * 1e-12)
    np.testing.assert_allclose(edges.delay, pairs[3] * 1e-3)


def test_a_projection_takes_what_the_file_says_and_the_rest_from_its_author(tmp_path):
    (tmp_path / "edges.csv").write_text("1,1\n2,3\n")
    edges = rb.read_edges(tmp_path / "edges.csv", first=1)
    assert edges.weight is None
    pop = rb.Population(3, rb.IF())
    p = edges.projection(pop, pop, weight=0.25, delay=3e-3, name="p")
    assert (p.name, p.weight, p.delay, p.connectivity) == ("p", 0.25, 3e-3, rb.explicit([0, 1], [0, 2]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists nothing"),
        ("# nothing\n", "lists nothing"),
        ("0\n1\n", "line 1: has 1 columns"),
        ("0,1,1.0,1.0,5\n", "line 1: has 5 columns"),
        ("pre,pst\n0,1\n", "column 'pst' is not known .the nearest is 'post'"),
        ("pre,weight\n0,1\n", "needed are pre and post"),
        ("pre,source,post\n0,1,2\n", "none twice"),
        ("0,1\n0,1,2\n", "line 2: has 3 columns; 2 are needed"),
        ("0,1\n\n0,x\n", "line 3: got '0 x'; allowed are numbers"),
        ("0,1\n0,-1\n", "line 2: post -1 is below 0"),
        ("0,1\n0.5,1\n", "line 2: pre 0.5 is not a whole number"),
        ("0,1,nan\n", "line 1: weight nan is NaN"),
        ("0,1,1,inf\n", "line 1: delay inf"),
        ("0,1,1,-2\n", "line 1: delay -2 is a time below 0"),
        ("__import__('os'),1\n", "column .* is not known"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, message):
    (tmp_path / "edges.csv").write_text(text)
    with pytest.raises(rb.FormatError, match=message):
        rb.read_edges(tmp_path / "edges.csv")


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "edges.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(rb.FormatError, match="not a text file"):
        rb.read_edges(tmp_path / "edges.csv")
    with pytest.raises(rb.SpecError, match="first: got 2"):
        rb.read_edges(tmp_path / "edges.csv", first=2)


FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")


@pytest.mark.parametrize("kind", [*(f"{f}_array" for f in FORMATS), *(f"{f}_matrix" for f in FORMATS)])
def test_every_sparse_format_is_one_matrix_of_post_by_pre(kind):
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((4, 6)) < 0.4, rng.normal(size=(4, 6)), 0.0)
    pattern = rb.sparse(getattr(sparse, kind)(dense))
    assert pattern.shape == (4, 6)
    back = np.zeros((4, 6))
    back[pattern.post_ids, pattern.pre_ids] = pattern.values
    np.testing.assert_array_equal(back, dense)


def test_entries_that_are_listed_twice_add_up_and_stored_zeros_stay():
    coo = sparse.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [2, 2, 0])), shape=(2, 3))
    pattern = rb.sparse(coo)
    assert list(zip(pattern.post_ids, pattern.pre_ids, pattern.values, strict=True)) == [
        (1, 0, 0.0),
        (0, 2, 3.0),
    ]
    assert rb.sparse(coo.toarray()).values.tolist() == [3.0]


@pytest.mark.parametrize(
    "matrix", [np.zeros(3), np.zeros((2, 2, 2)), [["a"]], sparse.csr_array([[1j]]), None]
)
def test_what_is_no_matrix_of_numbers_is_refused(matrix):
    with pytest.raises(rb.SpecError, match=r"sparse\.matrix"):
        rb.sparse(matrix)
