"""Prompts: named, versioned templates that agents fetch by a label such as `production`. Nothing is overwritten."""

from __future__ import annotations

import difflib
import getpass
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from leyden_store.connection import Connection
from leyden_store.errors import LeydenError

PRODUCTION = "production"
"""The label that agents ask for unless they name another; the first version of a prompt gets it by itself."""

LONGEST = 1_000_000
"""Characters of a template."""

_VARIABLE = re.compile(r"\{\{\s*([^\W\d]\w*)\s*\}\}")
_NAME = re.compile(r"\w[\w.-]{0,199}")
_LABEL = re.compile(r"[^\W\d][\w.-]{0,99}")


class PromptNotFound(LeydenError):
    """No prompt has that name, or no version of it that number or label."""


class PromptInvalid(LeydenError):
    """A prompt or label cannot be saved like that."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt.

    text:   a template; `{{name}}` stands for a variable
    labels: those that name this version now
    parent: the version it was made from, 0 for none
    origin: how it was made, by what made it: {} for what a person saved
    """

    name: str
    version: int
    text: str
    description: str = ""
    owner: str = ""
    parent: int = 0
    origin: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def variables(self) -> list[str]:
        """The template's variables, each once, in the order they stand."""
        return variables_of(self.text)

    def to_json(self) -> dict[str, Any]:
        """What `leyden prompt show --json` prints and the API answers."""
        return {
            "name": self.name,
            "version": self.version,
            "text": self.text,
            "variables": self.variables,
            "labels": list(self.labels),
            "description": self.description,
            "owner": self.owner,
            "parent_version": self.parent or None,
            "origin": dict(self.origin),
            "created_at": self.created_at.isoformat(),
        }


def variables_of(text: str) -> list[str]:
    """The variables of a template, each once, in the order they stand."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


class Prompts:
    """The prompts of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(
        self,
        name: str,
        text: str,
        *,
        description: str = "",
        owner: str | None = None,
        parent: int = 0,
        origin: Mapping[str, Any] | None = None,
    ) -> Prompt:
        """Keep `text` under `name`, as the next version; the first is labelled production. Raises PromptInvalid."""
        if not _NAME.fullmatch(name):
            raise PromptInvalid(f"{name!r} is no prompt's name: use letters, digits, and . _ - after the first")
        if not text.strip():
            raise PromptInvalid(f"the prompt {name!r} is empty")
        if len(text) > LONGEST:
            raise PromptInvalid(f"the prompt {name!r} has {len(text):,} characters; at most {LONGEST:,} are kept")
        every = self._read(name, deleted=True)
        first = not self._read(name)
        saved = Prompt(
            name=name,
            version=max((one.version for one in every), default=0) + 1,
            text=text,
            description=description,
            owner=owner or getpass.getuser(),
            parent=parent,
            origin=dict(origin or {}),
        )
        self._write(saved, deleted=False)
        if first:
            self.label(name, PRODUCTION, saved.version, owner=saved.owner)
        return self.get(name, saved.version)

    def get(self, name: str, version: int | None = None, label: str | None = None) -> Prompt:
        """The version of that number, else that label, else the one in production. Raises PromptNotFound."""
        found = self.versions(name)
        label = label or PRODUCTION
        for one in found:
            if one.version == version or (version is None and label in one.labels):
                return one
        asked = f"version {version}" if version is not None else f"label {label!r}"
        labels = sorted(label for one in found for label in one.labels)
        have = f"versions {', '.join(str(one.version) for one in found)}, labels {', '.join(labels) or 'none'}"
        raise PromptNotFound(f"the prompt {name!r} has no {asked}; it has {have}")

    def find(self, reference: str) -> Prompt:
        """The prompt that `NAME`, `NAME@VERSION` or `NAME@LABEL` means. Raises PromptNotFound."""
        name, _, which = reference.partition("@")
        return self.get(name, int(which)) if which.isdecimal() else self.get(name, label=which or None)

    def versions(self, name: str) -> list[Prompt]:
        """Every version of a prompt, oldest first. Raises PromptNotFound, naming the near ones."""
        found = self._read(name)
        if found:
            return found
        names = sorted({one.name for one in self._read(None)})
        near = difflib.get_close_matches(name, names, n=3) or names[:5]
        hint = f"did you mean {', '.join(near)}?" if near else "save one with: leyden prompt save NAME --text TEXT"
        raise PromptNotFound(f"no prompt is called {name!r}; {hint}")

    def all(self) -> list[Prompt]:
        """The newest version of each, by name."""
        return list({one.name: one for one in self._read(None)}.values())

    def label(self, name: str, label: str, version: int, *, owner: str | None = None) -> Prompt:
        """Let a label name a version from now on. Raises PromptInvalid, PromptNotFound."""
        if not _LABEL.fullmatch(label):
            raise PromptInvalid(f"{label!r} is no label: it begins with a letter and has letters, digits, and . _ -")
        self.get(name, version)
        row = {"Name": name, "Label": label, "Version": version, "Owner": owner or getpass.getuser()}
        self._connection.insert("prompt_labels", [row | {"SetAt": datetime.now(UTC)}])
        return self.get(name, version)

    def moves(self, name: str) -> list[dict[str, Any]]:
        """Every move of a label, newest first: label, version, owner, set_at."""
        return self._connection.rows(
            "SELECT Label AS label, Version AS version, Owner AS owner, SetAt AS set_at FROM prompt_labels FINAL"
            " WHERE Name = {name:String} ORDER BY SetAt DESC, Label",
            {"name": name},
        )

    def delete(self, name: str) -> None:
        """Take a prompt and its versions out of use; rows stay, since spans name them. Raises PromptNotFound."""
        for one in self.versions(name):
            self._write(one, deleted=True)

    def _read(self, name: str | None, *, deleted: bool = False) -> list[Prompt]:
        where, parameters = ("WHERE Name = {name:String}", {"name": name}) if name is not None else ("", {})
        labels: dict[tuple[str, int], list[str]] = {}
        for row in self._connection.rows(
            f"SELECT Name, Label, argMax(Version, SetAt) AS Version FROM prompt_labels {where}"
            " GROUP BY Name, Label ORDER BY Label",
            parameters,
        ):
            labels.setdefault((row["Name"], row["Version"]), []).append(row["Label"])
        rows = self._connection.rows(f"SELECT * FROM prompts FINAL {where} ORDER BY Name, Version", parameters)
        return [
            Prompt(
                name=row["Name"],
                version=row["Version"],
                text=row["Text"],
                description=row["Description"],
                owner=row["Owner"],
                parent=row["ParentVersion"],
                origin=json.loads(row["Origin"]),
                labels=tuple(labels.get((row["Name"], row["Version"]), ())),
                created_at=row["CreatedAt"],
            )
            for row in rows
            if deleted or not row["Deleted"]
        ]

    def _write(self, prompt: Prompt, *, deleted: bool) -> None:
        row = {
            "Name": prompt.name,
            "Version": prompt.version,
            "Text": prompt.text,
            "Description": prompt.description,
            "Owner": prompt.owner,
            "ParentVersion": prompt.parent,
            "Origin": json.dumps(dict(prompt.origin), sort_keys=True, default=str),
            "CreatedAt": datetime.now(UTC) if deleted else prompt.created_at,
            "Deleted": deleted,
        }
        self._connection.insert("prompts", [row])
