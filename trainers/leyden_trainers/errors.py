"""Everything the trainers raise.

LeydenError                     (leyden_store.errors)
└── TrainerError
    ├── TrainerNotFound         no trainer of that name is installed; says the near ones
    ├── SettingInvalid          a --set no trainer knows, or with a value it cannot take; says the near ones
    ├── RequirementMissing      the selected data lacks what the trainer needs; says what, how often, and what to do
    ├── ModelInvalid            a folder that holds no model, or not the one needed; says which
    ├── OutputTaken             the checkpoint's folder exists already
    ├── CannotResume            a run that cannot be gone on with; says why, and what to do instead
    ├── NotRecorded             a checkpoint is whole, and the store could not be told; says how to make up for it
    ├── TasksInvalid            a task set that cannot be read; says which line
    ├── RunnerInvalid           no runner of that name, or an agent it cannot start; says what to give
    ├── ServerLost              the policy server or the collector does not answer; says which, and what it said
    ├── RolloutsLost            step after step no rollout could be trained on; says what became of them
    ├── QueueUnreachable        no collector keeps the task queue at the address, or it cannot answer now
    ├── QueueRefused            the collector's task queue does not take what is asked; says why
    │   └── LeaseOver           a rollout is another worker's by now, or was called off
    ├── EvaluationInvalid       an evaluation that says nothing, or two that cannot be compared; says why
    ├── LlmLost                 the model that criticises and edits prompts gave nothing of use; says what it said
    ├── EngineClosed            the policy server is stopping
    ├── UpstreamUnreachable     the server behind `leyden serve --upstream` does not answer; says why
    └── RequestRefused          a request to the policy server that it does not take
        ├── RequestInvalid      it is not what the API asks for; says what is wrong
        ├── RequestTooLarge     its body is larger than the server takes; says how much that is
        ├── UnknownModel        the model is not served here; says which is
        └── RequestUnsupported  it asks for what the policy server cannot do; says what to leave out
"""

from leyden_store.errors import LeydenError


class TrainerError(LeydenError):
    """Training, or serving what was trained, cannot go on."""


class TrainerNotFound(TrainerError):
    """No installed trainer has that name."""

    exit_code = 2


class SettingInvalid(TrainerError):
    """A setting is unknown or its value cannot be used."""

    exit_code = 2


class RequirementMissing(TrainerError):
    """The selected rows lack what the trainer needs."""


class ModelInvalid(TrainerError):
    """The folder holds no model that can be loaded."""


class OutputTaken(TrainerError):
    """Something stands already where the checkpoint should go."""


class CannotResume(TrainerError):
    """The run cannot be gone on with."""


class NotRecorded(TrainerError):
    """The checkpoint is whole, and the store does not know."""


class TasksInvalid(TrainerError):
    """The task set is not what agents can be given."""

    exit_code = 2


class RunnerInvalid(TrainerError):
    """The agents cannot be started as asked."""

    exit_code = 2


class ServerLost(TrainerError):
    """A server that training needs does not answer, or refuses."""


class RolloutsLost(TrainerError):
    """The rollouts that training asks for bring nothing to train on."""


class QueueUnreachable(TrainerError):
    """The task queue does not answer; it may later."""


class QueueRefused(TrainerError):
    """The task queue does not take what is asked of it."""


class LeaseOver(QueueRefused):
    """The rollout is not this worker's any more."""


class EngineClosed(TrainerError):
    """The policy server is stopping and takes no more work."""


class UpstreamUnreachable(TrainerError):
    """The upstream does not answer."""


class RequestRefused(TrainerError):
    """The policy server does not take a request."""


class RequestInvalid(RequestRefused):
    """A request is not what the API asks for."""


class RequestTooLarge(RequestRefused):
    """A request's body is larger than the server takes."""


class UnknownModel(RequestRefused):
    """A request asks for a model that is not served."""


class RequestUnsupported(RequestRefused):
    """A request asks for something the policy server does not do."""


class EvaluationInvalid(TrainerError):
    """An evaluation tells nothing, or cannot be compared with another."""


class LlmLost(TrainerError):
    """The model that criticises and edits gave nothing of use."""
