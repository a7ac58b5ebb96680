"""Readers of event datasets, from files that people have fetched, and writers of the same formats."""

from .aedat import read_aedat, write_aedat
from .dataset import BinnedDataset, EventDataset
from .davis import cifar10_dvs, nomniglot
from .dvs_gesture import dvs_gesture, write_dvs_gesture
from .forty_bits import read_bin, write_bin
from .gsc import gsc
from .heidelberg import shd, ssc, write_shd
from .ntidigits import ntidigits, write_ntidigits
from .origin import MissingData
from .saccades import ncaltech101, nmnist

__all__ = [
    "BinnedDataset",
    "EventDataset",
    "MissingData",
    "cifar10_dvs",
    "dvs_gesture",
    "gsc",
    "ncaltech101",
    "nmnist",
    "nomniglot",
    "ntidigits",
    "read_aedat",
    "read_bin",
    "shd",
    "ssc",
    "write_aedat",
    "write_bin",
    "write_dvs_gesture",
    "write_ntidigits",
    "write_shd",
]
