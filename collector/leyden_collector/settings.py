"""The collector's settings: one TOML file, variables of the environment over it, options of the command over both.

`LEYDEN_HTTP_PORT` is the variable of `http_port`, `LEYDEN_SPOOL__MAX_BYTES` that of `max_bytes` under `[spool]`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from leyden_collector.processors.config import TABLES, ConditionTable, ProcessorTable, TailTable
from leyden_collector.spool import Limits
from leyden_store.errors import LeydenError

CONFIG_VARIABLE = "LEYDEN_CONFIG"


class SettingsInvalid(LeydenError):
    """A setting is unknown or has a value that cannot be; says which, and the near names."""

    exit_code = 2


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SpoolTable(_Table):
    """Where acknowledged requests wait. folder: None is in an embedded store's, else `./.leyden/spool`."""

    folder: Path | None = None
    max_bytes: int = Field(default=Limits().max_bytes, gt=0)
    segment_bytes: int = Field(default=Limits().segment_bytes, gt=0)
    segment_age_s: float = Field(default=Limits().segment_age_s, ge=0)

    def limits(self) -> Limits:
        """The spool's limits."""
        return Limits(self.max_bytes, self.segment_bytes, self.segment_age_s)


class CostTable(_Table):
    """What models cost. prices: a TOML or JSON file that adds to and overrides the default table."""

    prices: Path | None = None


class LoggingTable(_Table):
    """What the collector says of itself, on stderr."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class SelfTraceTable(_Table):
    """Whether the collector records its own work. endpoint: an OTLP/HTTP URL; None is itself."""

    enabled: bool = False
    endpoint: str | None = None


class MetricsTable(_Table):
    """Metrics in the store, beside `/metrics`. every_s: seconds between samples; 0 keeps none."""

    every_s: float = Field(default=15.0, ge=0)


class TriggersTable(_Table):
    """Whether triggers are looked at while the collector runs, and how often, in seconds."""

    enabled: bool = True
    every_s: float = Field(default=15.0, gt=0)


class TrainingTable(_Table):
    """Training that is asked for over the API.

    enabled:     whether it may be asked for
    folder:      where checkpoints go, each into a folder of its run's id; None: beside the store
    max_at_once: how many trainings run here at once; more are refused
    """

    enabled: bool = True
    folder: str | None = None
    max_at_once: int = Field(default=1, ge=1)


class PageTable(_Table):
    """The trace page. tokenizer: a folder or hub name, to show tokens as text; None shows their ids."""

    tokenizer: str | None = None


class Settings(BaseSettings):
    """How the collector runs.

    store:           the store's DSN; None: `./.leyden/store`
    tls_cert, tls_key: PEM files, both or neither
    token:           the administrator's; None makes one at every start
    require_keys:    ask for keys on a loopback address too, as behind a proxy
    open_ingest:     take spans without a key where reading needs one
    ports:           0 takes a free one; `grpc = false` takes no gRPC; grpc_port None: 4317 beside 4318, else a free one
    cors_origins:    of pages that may send spans, e.g. https://app.example, or "*"; as a variable, with commas between
    """

    model_config = SettingsConfigDict(
        env_prefix="LEYDEN_", env_nested_delimiter="__", env_ignore_empty=True, extra="forbid"
    )

    store: str | None = None
    host: str = "127.0.0.1"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token: SecretStr | None = None
    require_keys: bool = False
    open_ingest: bool = False
    http_port: int = Field(4318, ge=0, le=65535)
    grpc: bool = True
    grpc_port: int | None = Field(None, ge=0, le=65535)
    cors_origins: Annotated[list[str], NoDecode] = []
    spool: SpoolTable = SpoolTable()
    processors: list[ProcessorTable] = []
    tail: TailTable | None = None
    cost: CostTable = CostTable()
    logging: LoggingTable = LoggingTable()
    self_trace: SelfTraceTable = SelfTraceTable()
    metrics: MetricsTable = MetricsTable()
    triggers: TriggersTable = TriggersTable()
    training: TrainingTable = TrainingTable()
    page: PageTable = PageTable()

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        return [origin.strip() for origin in value.split(",") if origin.strip()] if isinstance(value, str) else value

    @classmethod
    def load(cls, config: Path | None = None, given: Mapping[str, Any] | None = None) -> Self:
        """Read the file at `config` (None: what LEYDEN_CONFIG names), the environment over it, and `given` over all.

        Raises SettingsInvalid.
        """
        path = config or (Path(named) if (named := os.environ.get(CONFIG_VARIABLE)) else None)
        document = _document(path) if path is not None else {}

        class Loaded(cls):  # type: ignore[valid-type, misc]
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                **_others: Any,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                return init_settings, env_settings, InitSettingsSource(settings_cls, document)

        try:
            made: Self = Loaded(**(given or {}))
        except ValidationError as error:
            raise SettingsInvalid(_said(error, path)) from None
        except ValueError as error:  # a list or table in a variable that is no JSON
            raise SettingsInvalid(f"{' '.join(str(error).split())}: write it as JSON") from None
        return made

    @property
    def grpc_at(self) -> int | None:
        """The gRPC port to take; None takes no gRPC."""
        if not self.grpc:
            return None
        return self.grpc_port if self.grpc_port is not None else 4317 if self.http_port == 4318 else 0


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsInvalid(f"cannot read the config file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path} is no TOML: {error}") from None


def _said(error: ValidationError, path: Path | None) -> str:
    """The first fault, in one line, by the name it has in the file."""
    fault, *more = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in fault["loc"] if part not in TABLES)
    source = f"{path}: " if path else ""
    if fault["type"] == "extra_forbidden":
        known = _names_at(fault["loc"][:-1])
        near = get_close_matches(str(fault["loc"][-1]), known) or known
        text = f"no setting {where!r}; did you mean {', '.join(near)}?"
    else:
        text = f"{where}: {fault['msg'].removeprefix('Value error, ')}"
    return f"{source}{text}" + (f" (and {len(more)} more)" if more else "")


def _names_at(place: tuple[int | str, ...]) -> list[str]:
    """The settings there are at a place of the document."""
    model: type[BaseModel] | None = Settings
    for part in place:
        if part in TABLES:
            model = TABLES[str(part)]
        elif part == "when":
            model = ConditionTable
        elif part == "tail":
            model = TailTable
        elif isinstance(part, str) and model is not None and part in model.model_fields:
            kind = model.model_fields[part].annotation
            model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return list(model.model_fields) if model is not None else []
