"""The errors that a user can cause, each a single readable line."""


class MfmError(Exception):
    """Base of every error the project raises about what it was given."""


class DataError(MfmError):
    """A file, video, field or sample is not what it has to be."""


class ParameterError(MfmError, ValueError):
    """A parameter has a value, or a name, that is not allowed."""


class TrainingError(MfmError):
    """Training cannot go on."""
