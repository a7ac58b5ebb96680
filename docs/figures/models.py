"""Draw the figures of the pages in docs/models: run the code of a page and keep the figure that it leaves.

Usage: python docs/figures/models.py [PAGE ...]   (all pages if none is named)
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).resolve().parents[1]
STYLE = {
    "figure.figsize": (6.4, 2.6),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 8,
    "lines.linewidth": 1.0,
    "path.simplify_threshold": 0.5,
    "legend.frameon": False,
    # The same code gives the same file.
    "svg.hashsalt": "rheobase",
    "svg.fonttype": "none",
}


def code_of(page: Path) -> str:
    """Return the Python of a page, from top to bottom."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))


def draw(page: Path, folder: Path) -> Path:
    """Run a page in a module that can be found again, since rules are read from their source."""
    with tempfile.TemporaryDirectory() as scratch, plt.rc_context(STYLE):
        plt.close("all")
        path = Path(scratch) / f"page_{page.stem}.py"
        path.write_text(code_of(page))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        if not plt.get_fignums():
            raise SystemExit(f"{page.name}: its code draws nothing")
        out = folder / f"{page.stem}.svg"
        plt.gcf().savefig(out, metadata={"Date": None})
    return out


if __name__ == "__main__":
    chosen = sys.argv[1:] or sorted(p.stem for p in (DOCS / "models").glob("*.md") if p.stem != "README")
    for name in chosen:
        print(draw(DOCS / "models" / f"{name}.md", DOCS / "figures" / "models"))
