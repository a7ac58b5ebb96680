"""Where files come from, what is said where they are missing, and what where they are broken."""

from __future__ import annotations

import struct
import tokenize
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...neurons.errors import FormatError, RheobaseError, SpecError

#: What reading goes wrong with: bytes that make no sense, and what they then lead to.
_BROKEN = (
    AttributeError, EOFError, LookupError, MemoryError, OSError, OverflowError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, tokenize.TokenError,
)  # fmt: skip


class MissingData(RheobaseError, FileNotFoundError):
    """Files of a dataset are not there; the message says which, where they should lie and who has them."""


@dataclass(frozen=True)
class Origin:
    """Where a dataset is to be had. Nothing is ever downloaded by itself.

    Attributes
    ----------
    name : str
        What the reader is called.
    pages : mapping of str to tuple of (str, str)
        The pages from which people fetch it: the name of each archive there, and its MD5 checksum or its
        size, as far as it is known.
    folder : str
        The folder that tonic keeps it in: files may lie there too.
    splits : tuple of str
        Its parts.
    """

    name: str
    pages: Mapping[str, tuple[tuple[str, str], ...]]
    folder: str
    splits: tuple[str, ...] = ("train", "test")

    def check_split(self, split: Any) -> str:
        """Return a part's name, or raise SpecError."""
        if split not in self.splits:
            raise SpecError(
                f"datasets.{self.name}.split: got {split!r}; allowed is one of {list(self.splits)}"
                + ("; divided(0.9) of it makes two" if len(self.splits) == 1 else "")
            )
        return str(split)

    def places(self, root: str | Path) -> tuple[Path, ...]:
        """Return the folders in which files may lie, or raise SpecError."""
        try:
            folder = Path(root).expanduser()
        except TypeError:
            raise SpecError(
                f"datasets.{self.name}.root: got {root!r}; allowed is the path of a folder"
            ) from None
        return folder, folder / self.folder

    def find(self, root: str | Path, *names: str) -> Path:
        """Return the first of several files or folders that is there, or raise MissingData."""
        for place in self.places(root):
            for name in names:
                if (place / name).exists():
                    return place / name
        raise self.missing(root, *names)

    def missing(self, root: str | Path, *names: str) -> MissingData:
        """Return the error of files that are not there."""
        folder = self.places(root)[0]
        if not folder.is_dir():
            wanted = f"folder {folder}"
        else:
            listed = f"{', '.join(names[:-1])} or {names[-1]}" if names[1:] else names[0]
            wanted = f"{listed} in {folder.resolve()}, nor in {self.folder}/ below it"
        archives = [name for inside in self.pages.values() for name, _ in inside]
        packed = [name for name in archives for place in self.places(root) if (place / name).exists()]
        near = [one for one in _near(folder) if any((one / name).exists() for name in names)]
        if near:
            how = f"but {near[0]} has it: give that as root"
        elif packed:
            how = f"{packed[0]} is there; unpack it, so that the files lie where they are looked for"
        else:
            there = [
                " or ".join(f"{name} ({what})" if what else name for name, what in inside) + f" from {page}"
                for page, inside in self.pages.items()
            ]
            how = f"nothing is downloaded by itself: put there what is in {'; or in '.join(there)}"
        return MissingData(f"datasets.{self.name}: there is no {wanted}; {how}")


def _near(folder: Path) -> list[Path]:
    """Return folders that may have been meant: the two above, and those inside."""
    known = folder.resolve()
    inside = sorted(one for one in known.iterdir() if one.is_dir()) if known.is_dir() else []
    return [*known.parents][:2] + inside


@contextmanager
def broken(path: Path) -> Iterator[None]:
    """Let what goes wrong while a file is read be a FormatError that names it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except FormatError as error:
        if str(error).startswith(f"{path}:"):
            raise
        raise FormatError(f"{path}: {error}") from None
    except _BROKEN as error:
        raise FormatError(f"{path}: is truncated, damaged or of another kind: {str(error)[:160]}") from None
