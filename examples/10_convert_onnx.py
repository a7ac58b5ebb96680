"""Convert an ONNX file that somebody else has trained, and let it tell which words are upside down.

    pip install --no-deps rapidocr-onnxruntime==1.4.4
    python examples/10_convert_onnx.py [--words 16] [--bits 6]

That package (Apache licence) ships the direction classifier of PP-OCR: a MobileNetV3 of 53 convolutions with
squeeze-and-excitation, hard sigmoid and hard SiLU, 14.1 M multiplications for an image of 3 x 48 x 192. Words
are drawn here, in fonts, inks and papers that it has not seen. Conversion takes some minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.ndimage import zoom

import rheobase as rb

WORDS = (
    "spiking neurons tell only what has changed and stay silent else while membranes slowly forget".split()
)
FONTS = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")


def pretrained() -> Path:
    """Return the file of the package."""
    package = importlib.util.find_spec("rapidocr_onnxruntime")
    if package is None:
        raise SystemExit("The network is not here: pip install --no-deps rapidocr-onnxruntime==1.4.4")
    folder = Path(package.submodule_search_locations[0])
    return folder / "models" / "ch_ppocr_mobile_v2.0_cls_infer.onnx"


def drawn(rng: np.random.Generator) -> np.ndarray:
    """Return two words in dark ink on light paper, (height, width, 3), from 0 to 1."""
    ink, paper = rng.uniform(0, 0.35, 3), rng.uniform(0.65, 1, 3)
    figure = Figure(figsize=(8, 1), dpi=100, facecolor=paper)
    canvas = FigureCanvasAgg(figure)
    text = " ".join(rng.choice(WORDS, 2))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=30, family=rng.choice(FONTS), color=ink)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    written = np.abs(pixels - pixels[0, 0]).sum(axis=2) > 0.1
    rows, columns = np.flatnonzero(written.any(1)), np.flatnonzero(written.any(0))
    return pixels[rows[0] - 4 : rows[-1] + 5, columns[0] - 4 : columns[-1] + 5]


def images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n images (n, 3, 48, 192) from -1 to 1, and 1 for each that is upside down."""
    rng = np.random.default_rng(seed)
    x, turned = np.zeros((n, 3, 48, 192), np.float32), rng.integers(2, size=n)
    for i in range(n):
        pixels = drawn(rng)
        scale = 48 / len(pixels)
        pixels = zoom(pixels, (scale, min(scale, 192 / pixels.shape[1]), 1), order=1)[:48, :192]
        pixels = pixels[::-1, ::-1] if turned[i] else pixels
        x[i, :, : len(pixels), : pixels.shape[1]] = 2 * pixels.transpose(2, 0, 1)[::-1] - 1
    return x, turned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--words", type=int, default=16, help="images to read")
    parser.add_argument("--bits", type=int, default=6, help="bits of what a neuron tells")
    args = parser.parse_args()

    converted = rb.convert(pretrained(), images(32, seed=0)[0], bits=args.bits)
    print(converted)

    x, turned = images(args.words, seed=1)
    found = converted.run(x)
    before, after = (np.mean(one == turned) for one in (converted.original(x).argmax(axis=1), found.labels))
    print(f"{before:.1%} of {len(x)} before, {after:.1%} spiking")
    print(f"{found.operations.mean() / 1e6:.1f} M operations an image, in order of depth")


if __name__ == "__main__":
    main()
