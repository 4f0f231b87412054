"""What the task queue raises.

LeydenError
├── BatchNotFound       404
├── BatchExists         409: another batch has that id
├── LeaseNotFound       404
└── LeaseLost           409: the lease was over before its worker came with a result
"""

from leyden_store.errors import LeydenError


class BatchNotFound(LeydenError):
    """No batch has that id, or it was forgotten."""

    http_status = 404


class BatchExists(LeydenError):
    """Another batch has that id."""

    http_status = 409


class LeaseNotFound(LeydenError):
    """No lease has that id, or its batch was forgotten."""

    http_status = 404


class LeaseLost(LeydenError):
    """The lease was over before its worker came with a result: another has the rollout, or it was cancelled."""

    http_status = 409
