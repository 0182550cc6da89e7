"""The graded map: what a part may be computed from, what a model uses, and how the two compare."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from looked_into import LENGTH, VOCABULARY, random_subject
from the_experiment.base.errors import UsageError
from the_experiment.cli import main
from the_experiment.engine.outcome import Outcome
from the_experiment.inside.attributions import (
    by_gradients,
    by_patches,
    by_swaps,
    integrated_gradients,
)
from the_experiment.inside.edits import Edit
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interchange import interchanged, writes_value
from the_experiment.inside.maps import query_for
from the_experiment.inside.scores import elsewhere, faithfulness_score, field_names, gradable
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject, find_subject, find_subjects
from the_experiment.inside.swaps import Swap, expected, rewritten, swaps_of
from the_experiment.inside.verbs.faithfulness import Faithfulness
from the_experiment.inside.verbs.force import Force
from the_experiment.models.architectures import Shape, build
from the_experiment.worlds import World, find_world

MODELS = ("gpt2", "rnn", "cnn")
CAUSAL = find_world("causal")


@pytest.fixture(scope="module")
def subject(trained: Path) -> Subject:
    return find_subject("tiny-gpt2-three-bits", trained)


# ---- what the rules say


@pytest.mark.parametrize("name", ["causal", "relay", "modular"])
def test_ancestors_by_the_rules_are_those_found_by_forcing(name: str) -> None:
    world = find_world(name)
    for part in world.parts:
        assert World.ancestors(world, part) == world.ancestors(part)


def test_a_part_that_depends_on_all_before_it_is_not_graded() -> None:
    assert gradable(CAUSAL) == ("newA", "newB", "newC", "newD", "sum")
    assert "sum2" not in gradable(CAUSAL)


@given(st.lists(st.integers(0, 1), min_size=5, max_size=5))
def test_after_a_swap_the_rules_make_two_things_of_a_text(values: list[int]) -> None:
    """By hand: newD = A OR newB follows a written newB, or D where only inputs count."""
    a, b, c, d, e = values
    prompt = CAUSAL.prompts(np.array([values]))[0]
    completion = CAUSAL.answer(prompt)
    other = CAUSAL.counterfactual(prompt, {"D": 1 - d})
    torn = expected(CAUSAL, Swap(0, "D", _text(other, completion)))
    assert torn["newB"].written == torn["newB"].input == d
    assert torn["newD"].written == (a | (1 - d))
    assert torn["newD"].input == (a | d)
    assert torn["newD"].tells == (a == 0)
    forced = rewritten(CAUSAL, completion, "newB", d)
    torn = expected(CAUSAL, Swap(0, "newB", _text(prompt, forced)))
    assert set(torn) == {"newC", "newD", "sum", "sum2"}
    assert torn["newD"].written == (a | d)
    assert torn["newD"].input == (a | (1 - d))
    assert torn["sum2"].written == (a ^ c) + d + (b & e) + (a | (1 - d))


def _text(prompt: str, completion: str):  # type: ignore[no-untyped-def]
    from the_experiment.data.tokenizer import character_tokenizer
    from the_experiment.inside.texts import world_text

    return world_text(character_tokenizer(CAUSAL.alphabet), CAUSAL, prompt, completion)


# ---- swaps


def test_a_swap_changes_one_value_and_nothing_else(subject: Subject) -> None:
    texts = subject.texts(np.concatenate(subject.states()))
    swaps = swaps_of(subject, texts, seed=0)
    assert len(swaps) == len(texts) * len(field_names(subject.world))
    for swap in swaps:
        text = texts[swap.text]
        pairs = zip(text.ids, swap.changed.ids, text.parts, strict=True)
        assert {part for one, other, part in pairs if one != other} == {swap.name}


def test_what_a_model_says_is_known_by_the_first_token_that_differs(subject: Subject) -> None:
    text = subject.text("101")
    assert text.completion == "=10\n"
    right = torch.tensor(text.ids[1:])
    wrong = torch.tensor(subject.text("101", "=00\n").ids[1:])
    assert writes_value(subject, text, "either", 1, right)
    assert not writes_value(subject, text, "either", 0, right)
    assert writes_value(subject, text, "either", 0, wrong)
    assert not writes_value(subject, text, "either", 1, wrong)


def test_a_model_that_fits_does_what_the_rules_say_on_texts_that_it_knows(
    subject: Subject,
) -> None:
    """A swapped input makes a prompt of another state: what is written first is that state's."""
    seen, held_out = subject.states()
    prompts = set(subject.world.prompts(seen))
    swaps = [
        swap
        for swap in swaps_of(subject, subject.texts(np.concatenate([seen, held_out])), 0)
        if swap.changed.prompt in prompts and swap.name in subject.world.inputs
    ]
    first = [one for one in interchanged(subject, swaps) if one.part == "either"]
    assert {one.turns for one in first} == {True, False}
    assert all(one.follows == "written" for one in first)


# ---- scores


@given(st.lists(st.floats(0, 100), min_size=9, max_size=9), st.sampled_from(gradable(CAUSAL)))
def test_a_score_is_the_share_of_mass_on_the_ancestors(mass: list[float], part: str) -> None:
    names = field_names(CAUSAL)
    attributions = np.array([mass, mass])
    of = faithfulness_score(CAUSAL, part, names, np.vstack([attributions, np.zeros(9)]), seed=0)
    if not any(mass):
        assert of is None
        return
    assert of is not None
    named = sum(mass[names.index(name)] for name in CAUSAL.ancestors(part))
    assert of.n == 2, "a text in which nothing has any mass is no text of it"
    assert 0 <= of.low <= of.share + 1e-9
    assert of.share <= of.high + 1e-9 <= 1 + 2e-9
    assert of.share == pytest.approx(named / sum(mass))
    rest = elsewhere(CAUSAL, part, names, attributions)
    assert not set(rest) & set(CAUSAL.ancestors(part))


def test_a_score_of_one_text_has_no_narrow_interval() -> None:
    of = faithfulness_score(CAUSAL, "newB", field_names(CAUSAL), np.ones((1, 9)), seed=0)
    assert of is not None
    assert (of.share, of.low, of.high) == (1 / 9, 0.0, 1.0)


# ---- patches


@pytest.mark.parametrize("name", MODELS)
def test_a_patch_of_the_first_stream_is_a_swap(name: str) -> None:
    """Everything is read from there, so that the layers' sum is no smaller than the swap."""
    subject = random_subject(name)
    texts = subject.texts(subject.states()[0])[:2]
    asked = query_for(subject, texts, swaps_of(subject, texts, 0))
    hooked = subject.hooked
    swaps, patches = by_swaps(hooked, asked), by_patches(hooked, asked)
    for part in asked.parts:
        assert (patches[part] >= swaps[part] - 1e-3).all()
        later = [name for name in asked.names if name in subject.world.parts]
        later = later[later.index(part) :] if part in later else []
        for name_after in later:
            assert not patches[part][:, asked.names.index(name_after)].round(3).any()


# ---- integrated gradients


@pytest.mark.parametrize("name", MODELS)
def test_integrated_gradients_add_up_to_the_margin_over_the_baseline(name: str) -> None:
    torch.manual_seed(0)
    hooked = HookedModel(build(name, Shape(VOCABULARY, 64, width=32)).eval())
    site = Site("embed")
    ids, others = torch.randint(3, VOCABULARY, (2, LENGTH))
    baseline = hooked.run(others[None], keep=[site]).cache[site][0]
    answers = [(LENGTH - 1, 4, 5), (6, 7, 3)]
    shares = integrated_gradients(hooked, ids, baseline, answers)
    on_baseline = hooked.run(ids[None], [[Edit(site, tuple(range(LENGTH)), baseline)]]).logits[0]
    logits = hooked.run(ids[None]).logits[0]
    for share, (place, right, rival) in zip(shares, answers, strict=True):
        whole = logits[place, right] - logits[place, rival]
        start = on_baseline[place, right] - on_baseline[place, rival]
        assert float(share.sum()) == pytest.approx(float(whole - start), rel=0.05, abs=2e-3)
        assert not share[place + 1 :].any()


def test_one_text_has_gradients_over_the_mean_of_the_seen_ones(subject: Subject) -> None:
    (text,) = subject.texts(subject.states()[1][:1])
    asked = query_for(subject, [text])
    for mass in by_gradients(subject.hooked, asked).values():
        assert mass.any()
    alone = replace(asked, others=())
    assert not any(mass.any() for mass in by_gradients(subject.hooked, alone).values())


# ---- states are drawn


def test_states_are_drawn_over_all_of_a_split() -> None:
    """In order, the first half of the states of ten booleans would all have A false."""
    wide = find_world("relay")
    split = SimpleNamespace(world=wide, seen=wide.states(), held_out=wide.states()[:0])
    trained: Any = SimpleNamespace(name="wide", split=split)
    drawn = Subject(trained).drawn(64, seed=0)
    assert list(drawn) == ["seen"]
    assert len(np.unique(drawn["seen"], axis=0)) == 64
    assert (abs(drawn["seen"].mean(0) - 0.5) < 0.25).all()
    assert (Subject(trained).drawn(64, seed=0)["seen"] == drawn["seen"]).all()
    assert (Subject(trained).drawn(64, seed=1)["seen"] != drawn["seen"]).any()


# ---- the verb


def asked(
    capsys: pytest.CaptureFixture[str], out: Path, *words: str, code: int = 0
) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--out", str(out)])
    told = capsys.readouterr()
    assert (ended.value.code or 0) == code, told.err
    return told.out, told.err


def test_trained_models_use_what_the_rules_name_more_than_untrained_ones(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = asked(capsys, trained, "faithfulness", "--json")
    figures = json.loads(told)["finding"]["figures"]
    assert set(figures) == {f"tiny-{name}-three-bits" for name in MODELS}
    for name, kinds in figures.items():
        scores = kinds["seen"]["scores"]
        assert set(scores) == {"swaps", "patches", "gradients"} | (
            {"attention"} if "gpt2" in name else set()
        )
        assert set(scores["swaps"]) == {"either", "differ"}
    gpt2 = figures["tiny-gpt2-three-bits"]["seen"]
    for of in gpt2["scores"]["swaps"].values():
        assert of["n"] == 6
        assert of["untrained"]["n"] == 3
        assert of["untrained"]["low"] <= of["untrained"]["share"] <= of["untrained"]["high"]
        assert of["share"] > of["untrained"]["share"]
    turned = gpt2["turns"]["either"]
    assert turned["written"] >= 0.8 * sum(turned.values())


def test_models_of_several_worlds_are_not_put_side_by_side(trained: Path, tmp_path: Path) -> None:
    names = ["*-gpt2-*", "tiny-gpt2-three-bits"]
    assert [one.name for one in find_subjects(names, trained)] == ["tiny-gpt2-three-bits"]
    with pytest.raises(UsageError, match=r"no trained model called 'nobody\*'"):
        find_subjects(["nobody*"], trained)
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    shutil.copytree(out / "tiny-cnn-three-bits", tmp_path / "tiny-cnn-three-bits")
    with pytest.raises(UsageError, match="have the same name"):
        find_subjects(["tiny-cnn-three-bits", str(tmp_path / "tiny-cnn-three-bits")], out)
    manifest = out / "tiny-cnn-three-bits" / "dataset.json"
    manifest.write_text(manifest.read_text().replace("A OR B", "A AND B"))
    with pytest.raises(UsageError, match="another version of three-bits"):
        find_subjects(["*"], out)


def test_a_family_of_models_is_told_by_its_middle_and_its_ends() -> None:
    def scored(share: float, elsewhere: dict[str, float]) -> Outcome:
        of = {"share": share, "low": 0.0, "high": 1.0, "n": 4, "elsewhere": elsewhere}
        scores = {"swaps": {"differ": {**of, "untrained": {**of, "share": 0.2}}}}
        counts = {"differ": {"written": 1, "input": 0, "neither": 1}}
        seen = {"states": 4, "scores": scores}
        return Outcome(figures={"seen": {**seen, **dict.fromkeys(("turns", "stays"), counts)}})

    found = [
        (SimpleNamespace(name=f"cnn-{number}", family="cnn"), scored(share, elsewhere))
        for number, (share, elsewhere) in enumerate(
            [(0.9, {}), (0.4, {"B": 0.3}), (0.3, {"B": 0.4})]
        )
    ]
    for _, finding in found:
        finding.figures["seen"]["follows"] = {}
    together = Faithfulness().together(found)  # type: ignore[arg-type]
    assert together.maps[0].rows == ("cnn × 3, seen", "cnn × 3, untrained")
    assert together.maps[0].words == ((".40 (.30–.90)",), (".20 (.20–.20)",))
    (told,) = together.sentences
    assert told == "cnn, seen: differ also uses B, not its causal ancestor, in 2 of 3 models"
    beside = (SimpleNamespace(name="rnn-0", family="rnn"), scored(0.4, {"B": 0.3}))
    beside[1].figures["seen"]["follows"] = {}
    _, told = Faithfulness().together([*found, beside]).sentences  # type: ignore[list-item]
    assert told.startswith("rnn-0, seen: differ also uses B (.30)")


def test_forcing_several_models_shows_how_they_are_distributed() -> None:
    """None follows, half of them follow sometimes, one always: no mean would say that."""

    def run(name: str) -> SimpleNamespace:
        nowhere = SimpleNamespace(config=Path(name) / "config.yaml")
        split = SimpleNamespace(key="", manifest=SimpleNamespace(seed=1, rows={"train": 1}))
        return SimpleNamespace(name=name, run=nowhere, split=split, record={})

    counts = [(0, 10), (5, 5), (10, 0)]
    found = [
        (
            SimpleNamespace(name=f"gpt2-{number}", family="gpt2", trained=run(f"gpt2-{number}")),
            Outcome(figures={"seen": {"p → q": {"written": k, "input": rest, "neither": 0}}}),
        )
        for number, (k, rest) in enumerate(counts)
    ]
    together = Force().together(found)  # type: ignore[arg-type]
    by_model, spread = together.maps
    assert by_model.rows == ("gpt2-0", "gpt2-1", "gpt2-2")
    assert by_model.words == (("0/10",), ("5/10",), ("10/10",))
    assert spread.rows == ("gpt2",)
    assert spread.values[0].tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert "all from .00 to 1.0" in together.sentences[0]
    alone = Force().together(found[:2])  # type: ignore[arg-type]
    assert len(alone.maps) == 1
    assert len(alone.sentences) == 3  # what is counted, and that each is one seed
