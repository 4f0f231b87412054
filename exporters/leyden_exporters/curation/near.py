"""Nearness of texts: MinHash signatures with banding for near-duplicates, runs of words for decontamination."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leyden_exporters.errors import OptionsInvalid

Signature = npt.NDArray[np.uint32]

HASHES = 128
"""Length of a signature: the estimate of a Jaccard similarity has a standard error of at most 1/√128 ≈ 0.09."""

_SHINGLE = 5
"""Words a shingle holds."""

_PRIME = np.uint64((1 << 61) - 1)
_random = np.random.default_rng(1)
_A = _random.integers(1, 1 << 31, HASHES, dtype=np.uint64)
_B = _random.integers(0, 1 << 31, HASHES, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Grams:
    """Hashes of the runs of `words` words in texts that a data set must not share."""

    words: int
    hashes: frozenset[int]


def signature_of(text: str) -> Signature:
    """The MinHash signature of a text's shingles (https://doi.org/10.1109/SEQUEN.1997.666900), uint32 [128]."""
    shingles = np.fromiter(grams_of(text, _SHINGLE), np.uint64) & np.uint64(0xFFFFFFFF)
    if not len(shingles):
        return np.zeros(HASHES, np.uint32)
    lowest = np.full(HASHES, np.iinfo(np.uint64).max, np.uint64)
    for start in range(0, len(shingles), 4096):
        piece = shingles[start : start + 4096, None]
        # 31-bit factors and 32-bit shingles: the product stays below 2**63.
        lowest = np.minimum(lowest, ((piece * _A + _B) % _PRIME).min(axis=0))
    return (lowest & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def near_duplicates(signatures: Sequence[Signature], threshold: float) -> list[int | None]:
    """For each, the first one before it that is about as similar as `threshold` (Jaccard, 0 to 1), or None.

    Signatures are compared only where a band of them agrees, so it takes about as long as they are many.
    """
    if not 0 < threshold <= 1:
        raise OptionsInvalid(f"nearness lies between 0 and 1, not {threshold}")
    rows = max(1, min(HASHES, int(np.log(0.2) / np.log(max(threshold, 0.05)))))
    rows = next(r for r in range(min(rows, 16), 0, -1) if HASHES % r == 0)
    buckets: dict[tuple[int, bytes], list[int]] = {}
    found: list[int | None] = []
    for number, signature in enumerate(signatures):
        bands = [(at, signature[at : at + rows].tobytes()) for at in range(0, HASHES, rows)]
        earlier = sorted({one for band in bands for one in buckets.get(band, ())})
        match = next((one for one in earlier if float((signatures[one] == signature).mean()) >= threshold), None)
        found.append(match)
        if match is None:
            for band in bands:
                buckets.setdefault(band, []).append(number)
    return found


def grams_of(text: str, words: int) -> set[int]:
    """Hashes of a text's runs of so many words, case and punctuation apart; a shorter text is one run."""
    found = re.findall(r"\w+", text.lower())
    if not found:
        return set()
    runs = (" ".join(found[at : at + words]) for at in range(max(1, len(found) - words + 1)))
    return {int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "little") for run in runs}


def grams_to_avoid(paths: Iterable[Path], words: int) -> Grams:
    """The runs of words in files of texts: lines of `.txt`, or every string in the values of `.jsonl` and `.json`.

    Texts shorter than a run are left out: they would be found everywhere. Raises OptionsInvalid.
    """
    hashes: set[int] = set()
    for path in paths:
        for text in _texts(path):
            if len(re.findall(r"\w+", text)) >= words:
                hashes |= grams_of(text, words)
    return Grams(words, frozenset(hashes))


def _texts(path: Path) -> Iterable[str]:
    try:
        text = path.read_text(encoding="utf-8")
        match path.suffix:
            case ".jsonl":
                return [said for line in text.splitlines() if line.strip() for said in _strings(json.loads(line))]
            case ".json":
                return _strings(json.loads(text))
            case _:
                return text.splitlines()
    except OSError as error:
        raise OptionsInvalid(f"cannot read the texts to keep apart from {path}: {error.strerror}") from error
    except ValueError as error:
        raise OptionsInvalid(f"{path} is not what its suffix says: {error}") from error


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    return [text for item in value for text in _strings(item)] if isinstance(value, list) else []
