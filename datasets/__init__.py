"""Event data in, targets out. Imports no other room of the house."""

if __name__ != "rheobase.datasets":
    raise ImportError(
        f"this folder is rheobase.datasets, but it was imported as {__name__!r}: the repository's root is on "
        "sys.path before the package you meant; import rheobase.datasets, or start Python elsewhere"
    )

from .digits import Digits, calibration_digits, digits
from .mnist import read_mnist

__all__ = ["Digits", "calibration_digits", "digits", "read_mnist"]
