"""Event data in, targets out. Imports no other room of the house."""

if __name__ != "rheobase.datasets":
    raise ImportError(
        f"this folder is rheobase.datasets, but it was imported as {__name__!r}: the repository's root is on "
        "sys.path before the package you meant; import rheobase.datasets, or start Python elsewhere"
    )

from . import encoding
from .binning import Binned, bin_events, collate
from .camera import EventCamera
from .cochlea import Cochlea
from .digits import Digits, calibration_digits, digits
from .events import Events
from .mnist import read_mnist

__all__ = [
    "Binned",
    "Cochlea",
    "Digits",
    "EventCamera",
    "Events",
    "bin_events",
    "calibration_digits",
    "collate",
    "digits",
    "encoding",
    "read_mnist",
]
