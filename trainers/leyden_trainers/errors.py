"""Everything the trainers raise.

LeydenError                     (leyden_store.errors)
└── TrainerError
    ├── TrainerNotFound         no trainer of that name is installed; says the near ones
    ├── SettingInvalid          a --set no trainer knows, or with a value it cannot take; says the near ones
    ├── RequirementMissing      the selected data lacks what the trainer needs; says what, how often, and what to do
    ├── ModelInvalid            a folder that holds no model, or not the one needed; says which
    ├── OutputTaken             the checkpoint's folder exists already
    ├── EngineClosed            the policy server is stopping
    └── RequestUnsupported      a chat request asks for what the policy server cannot do; says what to leave out
"""

from leyden_store.errors import LeydenError


class TrainerError(LeydenError):
    """Training, or serving what was trained, cannot go on."""


class TrainerNotFound(TrainerError):
    """No installed trainer has that name."""


class SettingInvalid(TrainerError):
    """A setting is unknown or its value cannot be used."""


class RequirementMissing(TrainerError):
    """The selected rows lack what the trainer needs."""


class ModelInvalid(TrainerError):
    """The folder holds no model that can be loaded."""


class OutputTaken(TrainerError):
    """Something stands already where the checkpoint should go."""


class EngineClosed(TrainerError):
    """The policy server is stopping and takes no more work."""


class RequestUnsupported(TrainerError):
    """A chat request asks for something the policy server does not do."""
