"""The errors a user can meet. Each message says what is wrong, which file or value, and what to do next.

SmoothvidError
├── ConfigError          a setting or option is wrong (exit 2)
├── DataError            a video, dataset or folder cannot be used
├── CheckpointError      a run, checkpoint or model file cannot be used
├── WeightsMissingError  pretrained feature weights are not at hand
├── DeviceError          the chosen device cannot do the work
├── TrainingError        a training cannot go on as it is
└── PeerLostError        another of the processes that work together has ended
"""


class SmoothvidError(Exception):
    """Base of every error that smoothvid raises for its users; the command line prints it as one line."""

    exit_code = 1


class ConfigError(SmoothvidError):
    """A setting or option is wrong."""

    exit_code = 2


class DataError(SmoothvidError):
    """A video, dataset or folder cannot be used."""


class CheckpointError(SmoothvidError):
    """A run, checkpoint or model file cannot be used."""


class WeightsMissingError(SmoothvidError):
    """Pretrained feature weights are not at hand."""


class DeviceError(SmoothvidError):
    """The chosen device cannot do the work."""


class TrainingError(SmoothvidError):
    """A training cannot go on as it is."""


class PeerLostError(SmoothvidError):
    """Another of the processes that work together has ended."""
