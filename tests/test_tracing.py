"""Causal tracing: what is patched, what counts, and what a user is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config
from transformers import Qwen3ForCausalLM as Qwen3

from looked_into import MAKERS, SMALL
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.experiments.tracing import cells as tracing_cells
from the_experiment.experiments.tracing.cells import cells_of, run_tracing, traced
from the_experiment.experiments.tracing.config import TracingRequest
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.layout import layout_of
from the_experiment.inside.program_pairs import PromptFormat, find_pairs
from the_experiment.inside.traced import OTHER, RANDOM
from the_experiment.inside.tracing import roles_of, trace
from the_experiment.models.architectures import Shape, build, configured
from the_experiment.models.decoding import greedy
from the_experiment.models.pretrained import KeptModels
from the_experiment.models.texts import padded
from the_experiment.programs.causal_experiment_runner import CausalExperimentRunner
from the_experiment.programs.causal_tracing import (
    create_counterfactual_program,
    find_rng_seeds,
    run_causal_tracing_experiment,
)
from the_experiment.worlds.programs.binding import make_ordered_binding_program
from the_experiment.worlds.programs.chain import ProgramPair, counterfactual_pair, drawn_pair
from the_experiment.worlds.programs.interpreter import answer_of

ALPHABET = "".join(sorted("abcdefghijklmnopqrstuvwxyz0123456789=#:*\n QA"))
TOKENIZER = character_tokenizer(ALPHABET)
ASKING = PromptFormat(TOKENIZER)
COPY, DOUBLE = "x = {}\ny = x\n#y:", "x = {}\ny = x * 2\n#y:"


WIDE = SMALL | {"hidden_size": 96, "num_hidden_layers": 2}
LARGER: dict[str, Callable[[int], PreTrainedModel]] = {  # more channels than programs
    "gpt2": lambda tokens: build("gpt2", Shape(tokens, 64, width=96, layers=2)),
    "llama": lambda tokens: LlamaForCausalLM(LlamaConfig(**WIDE, vocab_size=tokens)),
    "qwen3": lambda tokens: Qwen3(Qwen3Config(**WIDE, head_dim=16, vocab_size=tokens)),
    "lfm2": lambda tokens: configured(
        WIDE | {"model_type": "lfm2", "layer_types": ["conv", "full_attention"]}, Shape(tokens, 64)
    ),
}


def programs() -> list[ProgramPair]:
    """Programs that the models of these tests answer right."""
    own = [counterfactual_pair(COPY.format(n), 9 - n) for n in range(10)]
    own += [counterfactual_pair(DOUBLE.format(n), 9 - n) for n in range(10)]
    drawn = [drawn_pair(2, 1, seed) for seed in range(0, 16, 2)]
    drawn += [drawn_pair(2, 1, seed, make_ordered_binding_program) for seed in range(4)]
    return own + [pair for pair in drawn if pair]


def answering(name: str, folder: Path) -> str:
    """The folder of a random model whose last layer is solved for the answers, as in a fit."""
    torch.manual_seed(0)
    model = LARGER[name](len(TOKENIZER)).eval()
    texts = [text for pair in programs() for text in vars(ASKING.pair(pair)).values()]
    read = padded([text.ids[:-1] for text in texts], 0)
    last = torch.tensor([len(text.ids) - 2 for text in texts])
    with torch.inference_mode():
        norm = model.get_submodule(layout_of(model).norm)
        kept: list[Tensor] = []
        hook = norm.register_forward_hook(lambda *called: kept.append(called[-1]))
        model(input_ids=read)
        hook.remove()
        states = kept[0][torch.arange(len(read)), last]  # (texts, width)
        goals = torch.nn.functional.one_hot(
            torch.tensor([t.ids[-1] for t in texts]), len(TOKENIZER)
        )
        readout = torch.linalg.pinv(states) @ goals.float() * 10
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(readout.T.contiguous())
    model.save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return answering("gpt2", tmp_path_factory.mktemp("models") / "gpt2")


@pytest.fixture(scope="module")
def hooked(model: str) -> HookedModel:
    return HookedModel(KeptModels().loaded(model, "cpu", "float32")[0])


PAIRS = [counterfactual_pair(COPY.format(n), 9 - n) for n in range(5)]


@pytest.mark.parametrize("name", ["gpt2", "lfm2"])  # the second has a layer of convolutions
def test_every_patch_is_what_a_single_patch_by_hand_gives(
    name: str, tmp_path: Path, model: str
) -> None:
    folder = model if name == "gpt2" else answering(name, tmp_path / name)
    hooked = HookedModel(KeptModels().loaded(folder, "cpu", "float32")[0])
    pair = PAIRS[2]
    traced = trace(hooked, ASKING, [pair], "by hand")
    base, source = (TOKENIZER(t)["input_ids"] for t in (pair.program, pair.counterfactual))
    one, other = (TOKENIZER(str(n))["input_ids"][0] for n in (pair.answer, pair.other_answer))
    table = traced.tables.positions[0]
    clean = last_logits(hooked, base)
    for layer in range(hooked.layers):
        for place in range(len(base)):
            change = partial(put, held=hidden(hooked, source, layer), places=[place])
            logits = last_logits(hooked, base, layer, change)
            assert table.became[0, layer, place, 0] == (logits.argmax() == other)
            moved = (logits[other] - logits[one]) - (clean[other] - clean[one])
            assert table.effect[0, layer, place, 0] == pytest.approx(float(moved), abs=1e-3)


def put(values: Tensor, held: Tensor, places: list[int]) -> Tensor:
    changed = values.clone()
    changed[:, places] = held[:, places]
    return changed


def last_logits(
    hooked: HookedModel,
    ids: list[int],
    layer: int = 0,
    change: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The logits after the last token, with what a block reads changed."""
    block = hooked.blocks[layer]
    hook = block.register_forward_pre_hook(
        lambda _, given: (change(given[0]) if change else given[0], *given[1:])
    )
    with torch.inference_mode():
        logits: Tensor = hooked.model(input_ids=torch.tensor([ids])).logits[0, -1]
    hook.remove()
    return logits


def hidden(hooked: HookedModel, ids: list[int], layer: int) -> Tensor:
    with torch.inference_mode():
        run = hooked.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return torch.as_tensor(run.hidden_states[layer])


def test_roles_are_patched_as_wholes_and_the_control_is_one_of_the_other_tokens(
    hooked: HookedModel,
) -> None:
    traced = trace(hooked, ASKING, PAIRS, "roles")
    roles = traced.tables.roles
    assert roles is not None
    assert roles.columns == ("depth 1", "depth 2", "query", ":", OTHER, RANDOM)
    places = roles_of(traced.texts[0].base)
    named = {p[0] for p in places.values()}
    others = set(range(min(named), len(traced.texts[0].base.tokens) - 1)) - named
    for number, single in enumerate(traced.tables.positions):
        for column, role in enumerate(places):
            by_role = roles.effect[number, :, column, 0]
            assert np.allclose(by_role, single.effect[0, :, places[role][0], 0], atol=1e-3)
        control = roles.effect[number, :, -1, 0]
        for layer, effect in enumerate(control):
            assert min(abs(single.effect[0, layer, place, 0] - effect) for place in others) < 1e-6
    assert roles.effect[:, 1:, -1, 0].all()  # never before the digit, where both runs are the same
    drawn_anew = trace(hooked, ASKING, PAIRS, "roles", seed=1).tables.roles
    assert drawn_anew is not None
    assert (drawn_anew.effect[..., -1, 0] != roles.effect[..., -1, 0]).any()
    # The digit alone tells the two programs apart before the first layer.
    assert roles.became[:, 0, :, 0].tolist() == [[True, *[False] * 5]] * 5
    shares = traced.role_maps()[0]
    assert (shares.n, shares.values[0, 0], shares.values[0, -1]) == (5, 1.0, 0.0)
    assert shares.low is not None
    assert shares.low[0, 0] == pytest.approx(0.566, abs=1e-3)  # Wilson's of 5 of 5


def test_a_role_of_several_tokens_is_patched_at_all_of_them(hooked: HookedModel) -> None:
    pair = counterfactual_pair(DOUBLE.format(2), 4)
    traced = trace(hooked, ASKING, [pair], "double")
    base, source = (TOKENIZER(t)["input_ids"] for t in (pair.program, pair.counterfactual))
    places = list(roles_of(traced.texts[0].base)["depth 2"])
    assert [pair.program[place] for place in places] == list("x * 2")
    roles = traced.tables.roles
    assert roles is not None
    change = partial(put, held=hidden(hooked, source, 1), places=places)
    logits = last_logits(hooked, base, 1, change)
    clean = last_logits(hooked, base)
    four, eight = TOKENIZER("48")["input_ids"]
    moved = (logits[eight] - logits[four]) - (clean[eight] - clean[four])
    effect = roles.effect[0, 1, roles.columns.index("depth 2"), 0]
    assert effect == pytest.approx(float(moved), abs=1e-3)


def test_only_pairs_that_are_right_both_ways_count(hooked: HookedModel) -> None:
    wrong = [ProgramPair("x = 1\ny = 2\n#x:", "x = 8\ny = 2\n#x:", 1, 8)]
    unlike = [counterfactual_pair(COPY.format(3), 12)]
    traced = trace(hooked, ASKING, [*wrong, *PAIRS, *unlike], "some")
    assert traced.verdicts == ("wrong", *["right"] * 5, "unlike")
    assert traced.n == 5
    assert set(traced.pairs) == set(PAIRS)
    assert "5 of 7 pairs" in next(traced.sentences())
    with pytest.raises(ExperimentError, match="none of 1 pair right both ways"):
        trace(hooked, ASKING, wrong, "wrong")
    with pytest.raises(ExperimentError, match="of one shape"):
        trace(hooked, ASKING, unlike, "unlike")


def test_answers_of_different_length_are_told_by_their_first_different_token(
    hooked: HookedModel,
) -> None:
    pair = counterfactual_pair(DOUBLE.format(5), 3)
    text = ASKING.pair(pair)
    assert (text.base.ids[-1], text.source.ids[-1]) == tuple(TOKENIZER("16")["input_ids"])
    assert trace(hooked, ASKING, [pair], "10 and 6").n == 1
    shared = ASKING.pair(counterfactual_pair(DOUBLE.format(5), 9))  # 10 and 18
    assert shared.base.tokens[shared.base.begins :] == ("1", "0")
    longer = ASKING.pair(ProgramPair("x=1\n#x:", "x=1\n#x:", 1, 12))  # the end token tells them
    assert longer.alike
    assert longer.base.ids[-1] == TOKENIZER.eos_token_id


def test_layers_and_types_that_there_are_not_are_refused(hooked: HookedModel) -> None:
    with pytest.raises(UsageError, match="no layer 9"):
        trace(hooked, ASKING, PAIRS, "", layers=[0, 9])
    with pytest.raises(UsageError, match="no intervention type 'neurons'"):
        TracingRequest("m", "neurons")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing to trace"):
        TracingRequest("m", num_hops=())
    cnn = HookedModel(MAKERS["cnn"](len(TOKENIZER)).eval())
    with pytest.raises(UsageError, match="no attention heads"):
        trace(cnn, ASKING, PAIRS, "", kind="attention_heads")
    traced = trace(hooked, ASKING, PAIRS, "", kind="residual_stream", layers=[1])
    roles = traced.tables.roles
    assert roles is not None
    assert (roles.rows, traced.tables.heads) == (("resid_pre.1",), None)


def test_spans_shift_with_the_prompt_around_a_program() -> None:
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.chat_template = "{{ messages[0].content }}\nA:"
    for asking in (
        PromptFormat(tokenizer, "Q{code}\nQ:", "plain"),
        PromptFormat(tokenizer, "QQ{code}"),
    ):
        text = asking.text("x=3\ny=x\n#y:", 3)
        places = roles_of(text)
        found = {role: "".join(text.tokens[at] for at in where) for role, where in places.items()}
        assert found.pop("answer") == "3"
        assert found == {"depth 1": "3", "depth 2": "x", "query": "y", ":": ":", "last": ":"}
        assert text.read_at(":") != text.read_at("last") == [text.begins - 1]


def test_programs_that_a_model_can_not_read_are_refused() -> None:
    with pytest.raises(UsageError, match="doesn't know 'é', 'ß'"):
        ASKING.text("é=3\nß=é\n#ß:", 3)


def test_found_seeds_are_right_both_ways_and_none_is_left_out(
    model: str, hooked: HookedModel
) -> None:
    found = find_pairs(hooked, ASKING, 2, 1, wanted=6, first_seed=3)
    right = {}
    for seed in range(3, 3 + len(found.verdicts)):
        pair = drawn_pair(2, 1, seed)
        assert pair is not None
        written = greedy(hooked.model, TOKENIZER, [pair.program, pair.counterfactual], 1)
        right[seed] = written == [str(pair.answer), str(pair.other_answer)]
    assert [pair.rng_seed for pair in found.pairs] == [seed for seed in right if right[seed]]
    assert len(found.pairs) == 6
    assert found.pairs[-1].rng_seed == 2 + len(found.verdicts)
    assert find_rng_seeds(model, 1, 2, count=6, first_seed=3) == (
        [pair.rng_seed for pair in found.pairs],
        len(found.verdicts),
    )
    untrained = HookedModel(MAKERS["gpt2"](len(TOKENIZER)).eval())
    with pytest.raises(ExperimentError, match="none of 20 programs of 2 lines, 1 hop"):
        find_pairs(untrained, ASKING, 2, 1, wanted=1)
    with pytest.raises(UsageError, match="chain of 2 hops"):
        find_pairs(hooked, ASKING, 2, 2, wanted=1)


def test_programs_of_another_generator_are_traced(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from the_experiment.cli import main

    monkeypatch.chdir(tmp_path)
    call = ["programs", "trace", "ordered", "--model", model, "--out", str(tmp_path)]
    call += ["--lengths", "2", "--hops", "1", "--pairs", "1", "--type", "residual_stream"]
    with pytest.raises(SystemExit, match="0"):
        main([*call, "--generator", "make_ordered_binding_program"])
    every = json.loads((tmp_path / "tracing/ordered/intervention_results.json").read_text())
    assert every["2 lines, 1 hop"][0]["original"].startswith("a=")
    with pytest.raises(SystemExit, match="2"):
        main([*call, "--generator", "make_range_program"])
    assert "make_range_program have no chain" in capsys.readouterr().err


def test_what_is_traced_is_not_traced_again(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = TracingRequest(model, seq_lens=(2,), num_hops=(1, 0), pairs=2)
    cells: list[str] = []
    trace_cell = tracing_cells.trace_cell

    def until_killed(hooked: HookedModel, asking: PromptFormat, cell: TracingRequest) -> Any:
        cells.append(cell.title)
        if len(cells) == 2:
            raise KeyboardInterrupt
        return trace_cell(hooked, asking, cell)

    monkeypatch.setattr(tracing_cells, "trace_cell", until_killed)
    with pytest.raises(KeyboardInterrupt):
        run_tracing(request, tmp_path, tmp_path)
    results = run_tracing(request, tmp_path, tmp_path)
    assert cells == ["2 lines, 1 hop", "2 lines, 0 hops", "2 lines, 0 hops"]
    assert [*results.patch_results, *results.failed] == ["2 lines, 1 hop", "2 lines, 0 hops"]
    run_tracing(replace(request, num_hops=(1,)), tmp_path, tmp_path)
    assert len(cells) == 3
    run_tracing(replace(request, num_hops=(1,), pairs=3), tmp_path, tmp_path)
    assert len(cells) == 4


def test_a_model_is_traced_in_the_numbers_that_are_asked_for(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = TracingRequest(model, seq_lens=(2,), num_hops=(1,), pairs=2)
    seen: list[torch.dtype] = []
    trace_cell = tracing_cells.trace_cell

    def noted(hooked: HookedModel, asking: PromptFormat, cell: TracingRequest) -> Any:
        seen.append(hooked.model.dtype)
        return trace_cell(hooked, asking, cell)

    monkeypatch.setattr(tracing_cells, "trace_cell", noted)
    for dtype in ("float32", "bfloat16"):
        found = run_tracing(replace(request, dtype=dtype), Path(), None)
        assert [*found.patch_results] == ["2 lines, 1 hop"]
    assert seen == [torch.float32, torch.bfloat16]


def test_the_command_keeps_every_patch_and_says_what_it_found(
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from the_experiment.cli import main

    monkeypatch.chdir(tmp_path)
    own = tmp_path / "mine.txt"
    own.write_text(COPY.format(4) + "\n")
    call = ["programs", "trace", "mine", "--model", model, "--out", str(tmp_path)]
    call += ["--type", "residual_stream"]
    with pytest.raises(SystemExit, match="0"):
        main([*call, "--program", str(own), "--json"])
    printed = json.loads(capsys.readouterr().out)
    folder = tmp_path / "tracing" / "mine"
    assert printed == json.loads((folder / "results.json").read_text())
    every = json.loads((folder / "intervention_results.json").read_text())["1 hop"]
    assert every[0]["original"] == COPY.format(4)
    assert len(every[0]["residual_stream"]["became_counterfactual"][0]) == len(COPY.format(4))
    (tokens, _) = printed["1 hop"]["maps"]["tokens"]
    assert tokens["columns"][4] == "4 · depth 1"
    assert {path.name for path in folder.iterdir()} > {"report.html", "1-hop-roles.png"}
    with pytest.raises(SystemExit, match="1"):  # what can't be traced is not left out silently
        main([*call, "--lengths", "2", "--hops", "1-2", "--pairs", "1"])
    assert "2 lines, 2 hops: a program of 2 lines" in capsys.readouterr().out
    assert "a program of 2 lines" in (folder / "report.html").read_text()


@pytest.mark.parametrize("name", ["llama", pytest.param("qwen3", marks=pytest.mark.slow)])
def test_the_listings_work_as_they_stand(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model_id = answering(name, tmp_path / name)
    program_list = [
        {
            "original": "x = 2\ny = x\n#y:",
            "counterfactual": "x = 7\ny = x\n#y:",
            "expected_original": 2,
            "expected_counterfactual": 7,
            "variable_chain": ["y", "x"],
        }
    ]
    results = run_causal_tracing_experiment(
        model_id=model_id,
        programs=program_list,
        intervention_layers=list(range(2)),
        intervention_type="residual_stream",
    )
    assert results.patch_results["1 hop"]["n"] == 1
    assert not list(tmp_path.glob("out"))
    custom_programs = [
        {
            "original": "x = 5\ny = x * 2\n#y:",
            "counterfactual": "x = 3\ny = x * 2\n#y:",
            "expected_original": 10,
            "expected_counterfactual": 6,
            "variable_chain": ["y", "x"],
        }
    ]
    runner = CausalExperimentRunner()
    results = runner.run_intervention_experiment(
        model_id=model_id, programs=custom_programs, intervention_type="attention_heads"
    )
    every = results.intervention_results["1 hop"][0]
    assert np.shape(every["attention_heads"]["became_counterfactual"]) == (2, 4)


def test_programs_are_drawn_where_none_are_given_and_plotted(model: str, tmp_path: Path) -> None:
    runner = CausalExperimentRunner(tmp_path)
    results = runner.run_intervention_experiment(
        model_id=model, intervention_type="residual_stream", num_hops=1, seq_len=2, num_pairs=3
    )
    assert results.patch_results["2 lines, 1 hop"]["n"] == 3
    pictures = runner.plot_intervention_results(results)
    assert [path.name for path in pictures] == [
        "2-lines-1-hop-roles.png",
        "2-lines-1-hop-tokens.png",
    ]
    assert all(path.stat().st_size > 5000 for path in pictures)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expected_original": 3}, "gives 2, not 3"),
        ({"expected_counterfactual": "7"}, "gives 7, not '7'"),
        ({"variable_chain": ["x", "y"]}, "chain of program 1"),
        ({"counterfactual": "x = 7\ny = 1\n#y:", "expected_counterfactual": 1}, "chain of program"),
        ({"variable_chain": None}, "no 'variable_chain'"),
    ],
)
def test_programs_that_are_not_as_they_say_are_refused(change: dict[str, Any], said: str) -> None:
    program = create_counterfactual_program("x = 2\ny = x\n#y:", 7)
    changed = {key: value for key, value in (program | change).items() if value is not None}
    with pytest.raises(UsageError, match=said):
        run_causal_tracing_experiment("no-model", [changed])
    with pytest.raises(UsageError, match="can't be called"):
        CausalExperimentRunner().run_intervention_experiment("no-model", [program], name="../x")
    with pytest.raises(UsageError, match="has 1 hop, not 2"):
        CausalExperimentRunner().run_intervention_experiment("no-model", [program], num_hops=2)


def test_a_counterfactual_is_drawn_or_given() -> None:
    drawn = create_counterfactual_program("x=2\nz=3\ny=x\n#y:")
    assert drawn["expected_counterfactual"] not in (2, 3)
    assert drawn["counterfactual"] == f"x={drawn['expected_counterfactual']}\nz=3\ny=x\n#y:"
    assert drawn["variable_chain"] == ["y", "x"]
    with pytest.raises(UsageError, match="as before"):
        create_counterfactual_program("x=2\ny=x * 0\n#y:", 3)


def test_programs_are_traced_behind_solved_ones(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = TracingRequest(model, seq_lens=(2,), num_hops=(1,), pairs=2, shots=2)
    (cell,) = cells_of(request, tmp_path).values()
    assert cell.arguments["request"]["shots"] == 2
    (before,) = cells_of(replace(request, shots=0), tmp_path).values()
    assert "shots" not in before.arguments["request"]  # as it was before there were shots
    templates = []

    def found(_: object, asking: PromptFormat, *__: object) -> None:
        templates.append(asking.template)
        raise ExperimentError("enough")

    monkeypatch.setattr(tracing_cells, "find_pairs", found)
    for one in (request, replace(request, shots=0)):
        with pytest.raises(ExperimentError, match="enough"):
            traced(asdict(one), model)
    *solved, last = templates[0].split("\n\n")
    assert last == templates[1] == "{code}"
    assert len({*solved}) == 2
    assert all(answer_of(one.rpartition(" ")[0]) == int(one[-1]) for one in solved)
    own = counterfactual_pair("a=1\nb=a\n#b:", 2)
    with pytest.raises(UsageError, match="--shots can't be combined"):
        replace(request, programs=(own,))
