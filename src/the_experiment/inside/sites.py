"""Sites: named places in a model where values can be read or changed."""

from __future__ import annotations

from dataclasses import dataclass

from the_experiment.base.errors import UsageError


@dataclass(frozen=True)
class Site:
    """A kind of place, its layer where each layer has one, and one head or channel of it.

    >>> Site.parse("z.3.0")
    Site(kind='z', layer=3, index=0)
    >>> str(Site("final"))
    'final'
    """

    kind: str
    layer: int | None = None
    index: int | None = None

    def __str__(self) -> str:
        return ".".join(str(one) for one in (self.kind, self.layer, self.index) if one is not None)

    @classmethod
    def parse(cls, text: str) -> Site:
        """The site of this name. Raises `UsageError` for a text that is no name of one."""
        kind, *numbers = text.split(".")
        if not kind.isidentifier() or len(numbers) > 2 or not all(map(str.isdecimal, numbers)):
            raise UsageError(
                f"{text!r} is not a site", "a kind, a layer and a head or channel, such as z.3.0"
            )
        return cls(kind, *map(int, numbers))

    @property
    def whole(self) -> Site:
        """The site that this one is a head or channel of; itself where it is none."""
        return Site(self.kind, self.layer)
