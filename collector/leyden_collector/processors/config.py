"""Processors as the config file has them: `[[processors]]` tables, each with a `type`, in their order; and `[tail]`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from leyden_collector.processors.base import Processor
from leyden_collector.processors.dropping import Condition, Drop, equals, exists, matches
from leyden_collector.processors.hooks import load
from leyden_collector.processors.redact import Redact
from leyden_collector.processors.sampling import Sample
from leyden_collector.processors.shaping import Hash, Truncate
from leyden_store.errors import LeydenError


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


Regex = Annotated[str, AfterValidator(_regex)]
Share = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[list[str], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConditionTable(_Table):
    """One test: `field` and one of equals, matches (a regular expression), exists."""

    field: Annotated[str, Field(pattern=r"^(name|status|(span|resource)\..+)$")]
    equals: str | bool | int | float | None = None
    matches: Regex | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _one_test(self) -> ConditionTable:
        if sum(test is not None for test in (self.equals, self.matches, self.exists)) != 1:
            raise ValueError("give one of equals, matches, exists")
        return self

    def made(self) -> Condition:
        """The condition."""
        if self.matches is not None:
            return Condition(self.field, matches(self.matches))
        if self.exists is not None:
            return Condition(self.field, exists(self.exists))
        value = self.equals
        return Condition(self.field, equals(str(value).lower() if isinstance(value, bool) else str(value)))


class _Rule(_Table):
    rule: str = Field("", description="the name its counts go by; default: its type")


class DropTable(_Rule):
    """Drop (or keep alone) the spans and records that meet all conditions."""

    type: Literal["drop", "keep"]
    when: Annotated[list[ConditionTable], Field(min_length=1)]

    def made(self) -> Processor:
        """The processor."""
        return Drop([condition.made() for condition in self.when], keep=self.type == "keep", rule=self.rule)


class TruncateTable(_Rule):
    """Cut long texts of the named attributes; `*` and `?` stand for any."""

    type: Literal["truncate"]
    attributes: Names
    max_chars: int = Field(ge=1)

    def made(self) -> Processor:
        """The processor."""
        return Truncate(self.attributes, self.max_chars, self.rule)


class RedactTable(_Rule):
    """Replace secrets in every text."""

    type: Literal["redact"]
    builtin: list[Literal["keys", "emails", "cards"]] = []
    patterns: dict[str, Regex] = {}
    replacement: str = "[redacted:{kind}]"

    @model_validator(mode="after")
    def _something(self) -> RedactTable:
        if not (self.builtin or self.patterns):
            raise ValueError('name what to redact: builtin = ["keys", "emails", "cards"], or patterns')
        return self

    def made(self) -> Processor:
        """The processor."""
        return Redact(self.builtin, self.patterns, self.replacement, self.rule)


class HashTable(_Rule):
    """Replace values of the named attributes by a keyed hash. The key stands in a file, a variable or here."""

    type: Literal["hash"]
    attributes: Names
    key: SecretStr | None = None
    key_file: Path | None = None
    key_env: str = "LEYDEN_HASH_KEY"

    def made(self) -> Processor:
        """The processor. Raises ValueError without a key: an unkeyed hash of an e-mail is found by trying."""
        if self.key is not None:
            key = self.key.get_secret_value().encode()
        elif self.key_file is not None:
            key = self.key_file.read_bytes().strip()
        else:
            key = os.environ.get(self.key_env, "").encode()
        if len(key) < 16:
            raise ValueError(f"hash needs a key of 16 bytes or more: set {self.key_env}, key_file or key")
        return Hash(self.attributes, key, self.rule)


class SampleTable(_Rule):
    """Keep a share of traces, by trace id."""

    type: Literal["sample"]
    probability: Share

    def made(self) -> Processor:
        """The processor."""
        return Sample(self.probability, self.rule)


class HookTable(_Rule):
    """A processor of an installed package, by its entry point under `leyden.processors`."""

    type: Literal["hook"]
    name: str
    settings: dict[str, Any] = {}

    def made(self) -> Processor:
        """The processor."""
        return load(self.name, self.settings, self.rule)


ProcessorTable = Annotated[
    DropTable | TruncateTable | RedactTable | HashTable | SampleTable | HookTable, Field(discriminator="type")
]

TABLES: dict[str, type[_Rule]] = {
    "drop": DropTable,
    "keep": DropTable,
    "truncate": TruncateTable,
    "redact": RedactTable,
    "hash": HashTable,
    "sample": SampleTable,
    "hook": HookTable,
}


class TailTable(_Table):
    """Which traces stay once they are whole. `sample` is the share of those that no rule keeps."""

    keep_errors: bool = True
    keep_slow_s: float | None = Field(None, gt=0, description="keep traces that took longer, in seconds")
    keep_rewarded: bool = True
    sample: Share = 0.0
    wait_s: float = Field(30.0, gt=0, description="decide at the latest so long after a trace's first span")
    settle_s: float = Field(2.0, ge=0, description="wait so long for stragglers after a trace's root has ended")
    max_bytes: int = Field(1 << 30, gt=0, description="held, not yet decided; more is answered 503")


def make(tables: Sequence[Any]) -> list[Processor]:
    """Make the configured processors; of several alike, each has a rule name of its own. Raises LeydenError."""
    made: list[Processor] = []
    for index, table in enumerate(tables):
        try:
            processor: Processor = table.made()
        except (ValueError, OSError) as error:
            raise LeydenError(f"processors.{index} ({table.type}): {error}") from error
        others = {other.rule for other in made}
        name, number = processor.rule, 2
        while processor.rule in others:
            processor.rule, number = f"{name}_{number}", number + 1
        made.append(processor)
    return made
