"""The verbs that look inside: what they print, what they keep, and that cards replay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from the_experiment.cli import main

GPT2, RNN, CNN = (f"tiny-{name}-three-bits" for name in ("gpt2", "rnn", "cnn"))
SEQUENCE = "101"

# Every verb on a model that has what it asks for.
ASKED = [
    ("inspect", SEQUENCE, "--what", "attention", "-m", GPT2),
    ("inspect", SEQUENCE, "--what", "lens", "-m", RNN),
    ("inspect", SEQUENCE, "--what", "activations", "--site", "gates.1.2", "-m", RNN),
    ("inspect", SEQUENCE, "--what", "weights", "-m", CNN),
    ("inspect", SEQUENCE, "--what", "logits", "-m", CNN),
    ("ablate", "--each", "head", "-m", GPT2),
    ("ablate", "--each", "gate", "--mode", "resample", "-m", RNN),
    ("ablate", "--each", "layer", "--mode", "zero", "-m", CNN),
    ("force", "--all", "-m", RNN),
    ("force", "either=0", SEQUENCE, "-m", GPT2),
    ("patch", SEQUENCE, "--to", "001", "-m", GPT2),
    ("patch", SEQUENCE, "-m", RNN),
    ("patch", SEQUENCE, "-m", CNN),
    ("damage", SEQUENCE, "--flip", "1%", "--heal", "2", "-m", GPT2),
    ("damage", SEQUENCE, "--noise", "0.5", "--at-token", "2", "-m", RNN),
    ("damage", SEQUENCE, "--nuke", "layer:1", "--at-token", "3", "-m", CNN),
    ("probe", "--for", "differ", "-m", GPT2),
    ("attribute", SEQUENCE, "-m", GPT2),
    ("attribute", "-m", CNN),
    ("attribute", SEQUENCE, "-m", RNN),
    ("faithfulness", "-m", GPT2, "-m", RNN),
    ("faithfulness", "-m", CNN),
]


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """Standard output and error of the command, which has to end with `code`."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    told = capsys.readouterr()
    assert (ended.value.code or 0) == code, told.err
    return told.out, told.err


@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_a_verb_prints_keeps_a_card_and_replays(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    told, where = said(capsys, *words, "--out", str(out))
    folder = Path(where.strip().removeprefix("kept in "))
    card = json.loads((folder / "card.json").read_text())
    assert card["verb"] == words[0]
    assert told
    for one in card["finding"]["maps"]:
        assert [len(row) for row in one["values"]] == [len(one["columns"])] * len(one["rows"])
    if card["finding"]["maps"]:
        assert (folder / "maps.png").read_bytes().startswith(b"\x89PNG")
        page = (folder / "report.html").read_text()
        assert '<script src="../plotly.min.js">' in page
        assert (folder.parent / "plotly.min.js").is_file()
        assert page.count("plotly-graph-div") >= len(card["finding"]["maps"])
    replayed, _ = said(capsys, "replay", str(folder / "card.json"), "--out", str(out))
    assert "the same figures" in replayed


def test_json_is_the_card(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    words = ("inspect", SEQUENCE, "-m", GPT2, "--out", str(out), "--json")
    as_json, where = said(capsys, *words)
    folder = Path(where.strip().removeprefix("kept in "))
    assert json.loads(as_json) == json.loads((folder / "card.json").read_text())
    again, _ = said(capsys, *words)
    assert again == as_json


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("inspect", SEQUENCE, "--what", "attention", "-m", RNN), 2, "has no attention"),
        (("inspect", "1,0", "-m", GPT2), 2, "is not a sequence of world three-bits"),
        (("inspect", SEQUENCE, "--what", "activations", "--site", "z.9", "-m", GPT2), 2, "z.9"),
        (
            ("inspect", SEQUENCE, "--what", "activations", "--site", "z.1.9", "-m", GPT2),
            2,
            "0 to 3",
        ),
        (("inspect", SEQUENCE, "--what", "attention", "--site", "z.1", "-m", GPT2), 2, "attention"),
        (
            ("inspect", SEQUENCE, "--what", "lens", "--site", "z.1", "-m", GPT2),
            2,
            "takes no --site",
        ),
        (("inspect", SEQUENCE, "-m", "nothing"), 2, "no trained model called 'nothing'"),
        (("ablate", "--each", "head", "-m", CNN), 2, "no 'head' to ablate"),
        (("force", "either=1", SEQUENCE, "-m", GPT2), 2, "either is 1"),
        (("force", "either=2", SEQUENCE, "-m", GPT2), 2, "either can't be 2"),
        (("force", "A=1", SEQUENCE, "-m", GPT2), 2, "can't be forced"),
        (("force", "either", SEQUENCE, "-m", GPT2), 2, "not of the form PART=VALUE"),
        (("force", "either=0", "-m", GPT2), 2, "a sequence"),
        (("damage", SEQUENCE, "-m", GPT2), 2, "flip"),
        (
            ("damage", SEQUENCE, "--zero", "head:0.1", "--nuke", "layer:0", "-m", GPT2),
            2,
            "both name a component",
        ),
        (("force", "either=0", "--all", "-m", GPT2), 2, "--all"),
        (("damage", SEQUENCE, "--flip", "much", "-m", GPT2), 2, "is not a share"),
        (("damage", SEQUENCE, "--nuke", "layer:9", "-m", GPT2), 2, "layer:9"),
        (("damage", SEQUENCE, "--flip", "1%", "--at-token", "99", "-m", GPT2), 2, "99"),
        (
            ("damage", SEQUENCE, "--flip", "1%", "--heal", "1", "--at-token", "2"),
            2,
            "from the start",
        ),
        (("probe", "--for", "newZ", "-m", GPT2), 2, "newZ"),
        (("replay", "nowhere.json"), 1, "nowhere.json is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_can_not_be_asked_is_told(
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    _, told = said(capsys, *words, "--out", str(trained), code=code)
    assert says in told
    assert "Traceback" not in told


def test_the_curve_of_damage_tells_its_amounts_its_seeds_and_their_mean(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    words = ("damage", SEQUENCE, "--zero", "30%", "-m", CNN, "--out", str(out), "--json")
    told, held_out = json.loads(said(capsys, *words)[0])["finding"]["maps"]
    assert "share of zeroed weights" in told["title"]
    assert (told["n"], held_out["n"]) == (6, 2)
    assert told["columns"] == ["0%", "7.5%", "15%", "30%", "60%", "100%"]
    seeds = [f"seed {seed}" for seed in range(5)]
    assert told["rows"] == ["mean of 5 seeds", *seeds]
    mean, *each = told["values"]
    assert mean[0] == 1.0
    assert mean == pytest.approx([sum(column) / 5 for column in zip(*each, strict=True)], abs=1e-5)


def test_a_card_of_other_weights_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    _, where = said(capsys, "inspect", SEQUENCE, "-m", GPT2, "--out", str(out))
    card = Path(where.strip().removeprefix("kept in ")) / "card.json"
    _, told = said(capsys, "replay", str(card), "-m", str(out / CNN), "--out", str(out), code=1)
    assert "different weights" in told
    _, told = said(capsys, "replay", str(card), "-m", GPT2, "-m", CNN, "--out", str(out), code=2)
    assert "is for 1 model, not 2" in told
