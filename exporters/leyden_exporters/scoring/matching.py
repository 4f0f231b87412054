"""Matching the last reply with a reference: the same text, a pattern, the same JSON, the same number."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.scoring.plugin import Case, Score

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?%?")


class NoReference(Exception):
    """The rollout has nothing to be compared with; counted as such, never a score."""


@dataclass(frozen=True, slots=True)
class Exact:
    """1 where the reply is the reference, but for space at the ends; `ignore_case=true` lets case be."""

    ignore_case: bool = False
    name: str = "exact"
    version: str = "1"

    @classmethod
    def from_settings(cls, settings: dict[str, str]) -> Self:
        """Reads `ignore_case`. Raises OptionsInvalid."""
        known(settings, {"ignore_case"}, "exact")
        return cls(settings.get("ignore_case", "false").lower() == "true")

    def __call__(self, case: Case) -> Score:
        """Compare with the reference's text."""
        said, wanted = case.answer.strip(), str(reference(case)).strip()
        return Score(float(said.lower() == wanted.lower() if self.ignore_case else said == wanted))


@dataclass(frozen=True, slots=True)
class Regex:
    """1 where the pattern is found in the reply: the setting `pattern`, else the reference."""

    pattern: str = ""
    name: str = "regex"
    version: str = "1"

    @classmethod
    def from_settings(cls, settings: dict[str, str]) -> Self:
        """Reads `pattern`. Raises OptionsInvalid."""
        known(settings, {"pattern"}, "regex")
        try:
            re.compile(settings.get("pattern", ""))
        except re.error as error:
            raise OptionsInvalid(f"{settings['pattern']!r} is no regular expression: {error}") from error
        return cls(settings.get("pattern", ""))

    def __call__(self, case: Case) -> Score:
        """Search for the pattern; dots match line ends too."""
        pattern = self.pattern or str(reference(case))
        return Score(float(re.search(pattern, case.answer, re.DOTALL) is not None))


@dataclass(frozen=True, slots=True)
class JsonMatch:
    """1 where the reply, or the last JSON value in it, equals the reference; key order and number types apart."""

    name: str = "json"
    version: str = "1"

    @classmethod
    def from_settings(cls, settings: dict[str, str]) -> Self:
        """Takes none. Raises OptionsInvalid."""
        known(settings, set(), "json")
        return cls()

    def __call__(self, case: Case) -> Score:
        """Compare as values; a reply without JSON is wrong."""
        wanted = reference(case)
        wanted = _parsed(wanted) if isinstance(wanted, str) else wanted
        found = last_json(case.answer)
        return Score(0.0, "no JSON") if found is None else Score(float(found[0] == wanted))


@dataclass(frozen=True, slots=True)
class Number:
    """1 where the last number in the reply is the reference, within `tolerance` of it (relative, default 1e-6)."""

    tolerance: float = 1e-6
    name: str = "number"
    version: str = "1"

    @classmethod
    def from_settings(cls, settings: dict[str, str]) -> Self:
        """Reads `tolerance`. Raises OptionsInvalid."""
        known(settings, {"tolerance"}, "number")
        try:
            return cls(float(settings.get("tolerance", 1e-6)))
        except ValueError as error:
            raise OptionsInvalid(f"tolerance is a number, not {settings['tolerance']!r}") from error

    def __call__(self, case: Case) -> Score:
        """Compare as floats; a reply without a number is wrong."""
        wanted = last_number(str(reference(case)))
        if wanted is None:
            raise NoReference("the reference holds no number")
        found = last_number(case.answer)
        if found is None:
            return Score(0.0, "no number")
        near = math.isclose(found, wanted, rel_tol=self.tolerance, abs_tol=self.tolerance)
        return Score(float(near), "", f"{found:g} against {wanted:g}")


def reference(case: Case) -> Any:
    """The case's reference. Raises NoReference."""
    if case.reference is None:
        raise NoReference("no reference for this rollout or its group: give --reference FILE")
    return case.reference


def last_number(text: str) -> float | None:
    """The last number in a text: thousands' commas and a percent sign are read, 12.5% as 12.5."""
    found = [match[0] for match in _NUMBER.finditer(text) if any(sign.isdigit() for sign in match[0])]
    return float(found[-1].replace(",", "").rstrip("%")) if found else None


def last_json(text: str) -> tuple[Any] | None:
    """The last object or array in a text, or the text itself as JSON, in a tuple; None where there is none."""
    value = _parsed(text.strip())
    if value is not None or text.strip() == "null":
        return (value,)
    decoder, found, at = json.JSONDecoder(), None, 0
    while (start := min((i for i in (text.find("{", at), text.find("[", at)) if i >= 0), default=-1)) >= 0:
        try:
            value, at = decoder.raw_decode(text, start)
            found = (value,)
        except ValueError:
            at = start + 1
    return found


def known(settings: Mapping[str, str], names: Collection[str], function: str) -> None:
    """Raises OptionsInvalid for a setting the function does not have."""
    unknown = sorted(set(settings) - set(names))
    if unknown:
        takes = f"it takes {', '.join(sorted(names))}" if names else "it takes none"
        raise OptionsInvalid(f"the reward {function} has no setting {', '.join(unknown)}; {takes}")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
