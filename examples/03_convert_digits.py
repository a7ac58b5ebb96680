"""Turn a trained network into spiking neurons, see what it lost, and what it would cost.

    python examples/03_convert_digits.py [--digits 200] [--save network.toml]

The network and the digits ship with the package; examples/01_train_digits.py made them. With your own, pass a
torch module in evaluation mode to rb.convert.
"""

from __future__ import annotations

import argparse

import rheobase as rb
from rheobase.datasets import digits
from rheobase.models import digits_network

CHIPS = ("cmos45", "cmos45-dense", "loihi", "spinnaker2", "gpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--digits", type=int, default=200, help="digits to read, at most 800")
    parser.add_argument("--save", help="write the spiking network to this TOML file")
    args = parser.parse_args()

    data = digits()
    # Thresholds are set on digits that are not read afterwards.
    sample, x, labels = data.pixels[:200], data.pixels[200:], data.labels[200:]
    x, labels = x[: args.digits], labels[: args.digits]

    converted = rb.convert(digits_network(), sample)
    print(converted)

    # All at once, answers get better sweep by sweep; in order of depth, one sweep settles everything.
    found = converted.compare(x, labels, steps=(1, 2, 3))
    for point in found.points:
        print(
            f"{point.when:>9}: {found.accuracy_original:.1%} original, {point.accuracy:.1%} spiking, "
            f"{point.operations:,.0f} synaptic events"
        )

    # Dense machines are charged for the original network.
    print(rb.compare_chips(found.inference.result, CHIPS))
    print(rb.energy(found.inference.result, "loihi"))
    if args.save:
        converted.network.save(args.save)


if __name__ == "__main__":
    main()
