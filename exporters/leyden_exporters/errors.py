"""Everything the exporters raise.

LeydenError                 (leyden_store.errors)
└── ExportError
    ├── OptionsInvalid      options that contradict each other; says which
    ├── FormatUnknown       no format of that name; says the near ones
    ├── RolloutNotFound     no rollout of that id is selected; says the near ones
    ├── TokenizerUnusable   no tokenizer can be loaded from there; says why
    ├── PathUnwritable      the output cannot be written there; says why
    ├── SnapshotBroken      a snapshot is not what its manifest says; says which file
    └── MixedRollouts       turns of several rollouts were handed in as one
"""

from leyden_store.errors import LeydenError


class ExportError(LeydenError):
    """An export cannot be made."""


class OptionsInvalid(ExportError):
    """The options contradict each other or are out of range."""

    exit_code = 2


class FormatUnknown(ExportError):
    """No export format has that name."""

    exit_code = 2


class RolloutNotFound(ExportError):
    """No selected rollout has that id, or several begin with it."""


class TokenizerUnusable(ExportError):
    """A tokenizer cannot be loaded."""


class PathUnwritable(ExportError):
    """The output cannot be written where it was asked for."""


class SnapshotBroken(ExportError):
    """A snapshot lacks a file or its manifest, or a file was changed."""


class MixedRollouts(ExportError):
    """Turns of more than one rollout were handed in as one rollout."""
