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
from .filters import denoise, refractory, time_surface
from .latencies import LatencyPatterns, latency_patterns
from .mnist import read_mnist
from .moving_digits import moving_digits
from .readers import (
    BinnedDataset,
    EventDataset,
    MissingData,
    cifar10_dvs,
    dvs_gesture,
    gsc,
    ncaltech101,
    nmnist,
    nomniglot,
    ntidigits,
    read_aedat,
    read_bin,
    shd,
    ssc,
    write_aedat,
    write_bin,
    write_dvs_gesture,
    write_ntidigits,
    write_shd,
)
from .spoken_digits import spoken_digits

__all__ = [
    "Binned",
    "BinnedDataset",
    "Cochlea",
    "Digits",
    "EventCamera",
    "EventDataset",
    "Events",
    "LatencyPatterns",
    "MissingData",
    "bin_events",
    "calibration_digits",
    "cifar10_dvs",
    "collate",
    "denoise",
    "digits",
    "dvs_gesture",
    "encoding",
    "gsc",
    "latency_patterns",
    "moving_digits",
    "ncaltech101",
    "nmnist",
    "nomniglot",
    "ntidigits",
    "read_aedat",
    "read_bin",
    "read_mnist",
    "refractory",
    "shd",
    "spoken_digits",
    "ssc",
    "time_surface",
    "write_aedat",
    "write_bin",
    "write_dvs_gesture",
    "write_ntidigits",
    "write_shd",
]
