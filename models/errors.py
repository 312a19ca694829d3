"""Every error `models` raises on purpose.

ModelsError
├── ConfigError       an unknown detector kind or option, or a value that makes no sense
├── DependencyError   a library that only training needs is not installed
├── DataError         windows that cannot be trained on or evaluated
├── TrainingError     a training diverged or collapsed, at a lower rate too
├── ShapeError        windows of another shape than the detector was made for
├── NotFittedError    asked to score before `fit`
└── ArtefactError     a saved detector is missing, damaged, or refused
"""


class ModelsError(Exception):
    """Root of the tree."""


class ConfigError(ModelsError):
    """An unknown kind or option, or a value outside its range."""


class DependencyError(ModelsError):
    """A library that only training needs is not installed."""


class DataError(ModelsError):
    """The windows given cannot be learned from: too few of them are complete, or their labels do not fit."""


class TrainingError(ModelsError):
    """A training diverged (weights that are no numbers) or collapsed (a net that says the same of all windows)."""


class ShapeError(ModelsError):
    """The windows have another shape than the detector was made for."""


class NotFittedError(ModelsError):
    """The detector has not been fitted yet."""


class ArtefactError(ModelsError):
    """A saved detector is missing, damaged, of an unknown format, or a pickle."""
