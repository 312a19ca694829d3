"""What `train` may be asked for beside the settings: another kind of detector, and a search for its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from monitor import bootstrap
from monitor.cli.parameters.detectors import detector_kind
from monitor.config.families import Family
from monitor.config.settings import Settings

if TYPE_CHECKING:
    from models.search.search import Search
    from monitor.training.fit import Trainable


@dataclass(slots=True)
class Asked:
    """How a training goes: `challenging` a champion or not, after a search for options of `search_s` seconds or none.

    `searches` are those of the families trained, by name; each has a result once its detector is fitted.
    """

    challenging: bool = False
    search_s: float | None = None
    searches: dict[str, Search] = field(default_factory=dict)

    def create(self, name: str, family: Family) -> Trainable:
        """The family's untrained detector."""
        if self.search_s is None:
            return bootstrap.detector(family)
        from models.search.search import Budget, detector

        shape, how = family.detector_shape, family.detector
        made, self.searches[name] = detector(
            how.kind, shape, Budget(self.search_s), seed=how.seed, scale=family.scale == "none",
            device=how.device, **family.detector_options,
        )  # fmt: skip
        return cast("Trainable", made)

    def found(self, name: str) -> dict[str, Any] | None:
        """What the search for this family found: options, trials, and figures of the settings' and of the best ones."""
        search = self.searches.get(name)
        return None if search is None or search.result is None else asdict(search.result)


def with_detector(settings: Settings, names: list[str], kind: str | None, device: str | None = None) -> Settings:
    """The settings with this kind of detector, trained on this device, for the families named; None changes nothing.

    Options of another kind are left out. Raises SettingsError for a kind that is not known.
    """
    if kind is not None:
        detector_kind(kind)
    families = dict(settings.families)
    for name in names:
        before = families[name].detector
        options = before.options if kind in (None, before.kind) else {}
        update = {"kind": kind or before.kind, "options": options, "device": device or before.device}
        detector = before.model_copy(update=update)
        families[name] = families[name].model_copy(update={"detector": detector})
    return settings.model_copy(update={"families": families})


class Other(NamedTuple):
    """What a person has to write into the settings, "" = nothing, and what a search found; None = there was none."""

    table: str
    found: dict[str, Any] | None

    @classmethod
    def of(cls, trained: Family, before: Family, found: dict[str, Any] | None) -> Other:
        """The table `detector` of what was `trained`, as TOML, where the settings, `before`, say something else."""
        kind, options = trained.detector.kind, {**trained.detector.options, **(found["options"] if found else {})}
        if (kind, options) == (before.detector.kind, before.detector.options):
            return cls("", found)
        keys = [f'kind = "{kind}"']
        if options:
            keys.append(f"options = {_toml(options)}")
        if before.detector.seed:
            keys.append(f"seed = {before.detector.seed}")
        if before.detector.device != "auto":
            keys.append(f'device = "{before.detector.device}"')
        return cls(f"detector = {{ {', '.join(keys)} }}", found)

    def lines(self, family: str) -> list[str]:
        """The same as sentences."""
        said = []
        if self.found is not None:
            said.append(
                f"{family}: {self.found['trials']} trials; faults put into held-out windows rank above clean ones with "
                f"an AUC of {self.found['default']:.4f} by the given options, {self.found['best']:.4f} by the best"
            )
        if self.table:
            said.append(f"{family}: write {self.table} into [families.{family}]: workers train by the settings")
        return said


def _toml(value: Any) -> str:
    """An option as TOML: a number, a word, true or false, a list or a table of them."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'  # kinds and choices, which hold no quotes
        case Mapping():
            return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
