"""Linear probes: can a value be read from what a site holds, by a probe that is tested on others?

Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2017.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from the_experiment.base.seeds import Integers, derived_seed
from the_experiment.engine.outcome import HeatMap
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.maps import share_map
from the_experiment.inside.sites import Site
from the_experiment.inside.texts import TokenizedExample

MOST_FOLDS = 8

Values = npt.NDArray[np.float64]
Fold = tuple[Integers, Integers]  # the states that a probe is fitted to, and those it is tested on


def repeated(labels: Integers) -> npt.NDArray[np.bool_]:
    """Which states have a label that another has too: no probe can be tested on the others."""
    _, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    common: npt.NDArray[np.bool_] = counts[which] > 1
    return common


def folds(labels: Integers, seed: int) -> list[Fold]:
    """Stratified: each label has its share in every fold. As many as the rarest label allows.

    Each label must be there twice. Without strata a fold that happens to test many of a label is
    fitted to few of it, and what can't be read comes out below chance.
    """
    from sklearn.model_selection import StratifiedKFold

    rarest = int(np.unique(labels, return_counts=True)[1].min())
    state = derived_seed(seed, "folds") % 2**32
    splitter = StratifiedKFold(min(MOST_FOLDS, rarest), shuffle=True, random_state=state)
    return list(splitter.split(labels, labels))


def right(values: Values, labels: Integers, tested: Sequence[Fold]) -> int:
    """On how many states a probe of `values` (states, width) is right that was fitted to others."""
    return sum(
        int((fitted(values[others], labels[others]).predict(values[here]) == labels[here]).sum())
        for others, here in tested
    )


def fitted(values: Values, labels: Integers):  # type: ignore[no-untyped-def]
    """A scaler and a logistic regression, fitted to `values` (states, width)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(values, labels)


def across_boundary(values: Values, labels: Integers, push: float) -> Tensor:
    """(states, width): what leads each of `values` across the border of a probe fitted to them.

    The shortest way, and behind it `push` times as far as it was before it.
    """
    scaler, probe = fitted(values, labels)
    direction = torch.from_numpy(probe.coef_[0] / scaler.scale_).float()
    score = torch.from_numpy(probe.decision_function(scaler.transform(values))).float()
    # Where all values are the same there is no direction, and no step.
    square = direction.square().sum().clamp_min(torch.finfo().tiny)
    return score[:, None] * direction * (-(1 + push) / square)


def random_ways(steps: Tensor, seed: int) -> Tensor:
    """Steps (states, width) as long as these, each in a direction drawn by `seed`."""
    generator = np.random.default_rng(seed)
    drawn = torch.from_numpy(generator.standard_normal(steps.shape, dtype=np.float32))
    ways: Tensor = functional.normalize(drawn, dim=-1) * steps.norm(dim=-1, keepdim=True)
    return ways


def accuracy_map(
    title: str,
    hooked: HookedModel,
    texts: Sequence[TokenizedExample],
    labels: Integers,
    tested: Sequence[Fold],
) -> HeatMap:
    """The accuracy of a probe on states it wasn't fitted to, at every layer and position."""
    sites = probed_sites(hooked)
    cache = hooked.run(batch_ids(texts), keep=sites).cache
    counts = np.array(
        [
            [
                right(cache[site][:, place].numpy(), labels, tested)
                for place in range(cache[site].shape[1])
            ]
            for site in sites
        ]
    )
    columns = texts[0].part_labels[:-1]
    return share_map(title, "accuracy", tuple(map(str, sites)), columns, counts, len(labels))


def probed_sites(hooked: HookedModel) -> list[Site]:
    """The stream into each layer, and out of the last where there is one."""
    after = hooked.sites("resid_post")[-1:] if "resid_post" in hooked.layout.sites else []
    return [*hooked.sites(hooked.layout.stream), *after]


def separable(states: Integers, labels: Integers) -> bool:
    """Whether a linear function of the inputs, one indicator a value, has all labels right."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    indicators = OneHotEncoder(drop="if_binary").fit_transform(states)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe = LogisticRegression(C=1e6, max_iter=5_000).fit(indicators, labels)
    return bool((probe.predict(indicators) == labels).all())
