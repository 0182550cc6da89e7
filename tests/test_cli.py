"""The console command: help, streams, exit codes and what it says about wrong words."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Command
from the_experiment.base.registry import Registry
from the_experiment.cli import main
from the_experiment.cli.printed_flags import PRINTED_FLAGS
from verbs import COMMAND, VERBS

HEAVY = [
    "torch",
    "transformers",
    "gradio",
    "datasets",
    "sklearn",
    "scipy",
    "numpy",
    "matplotlib",
    "plotly",
]
SMALL = ("--train-size", "20", "--valid-size", "2", "--test-size", "2")


each_verb = pytest.mark.parametrize("verb", VERBS, ids=" ".join)
each_help = pytest.mark.parametrize("verb", [(), *VERBS], ids=" ".join)


@each_help
def test_every_help_has_two_examples(verb: tuple[str, ...]) -> None:
    command = VERBS[verb] if verb else COMMAND
    assert command.help
    examples = [line for line in (command.epilog or "").split("\n") if line.startswith("$ ")]
    assert len(examples) >= 2
    assert all(line.startswith("$ the-experiment ") for line in examples)


@each_verb
def test_every_option_says_what_it_is_for(verb: tuple[str, ...]) -> None:
    options = [option for option in VERBS[verb].params if option.opts[0].startswith("-")]
    assert not [option.name for option in options if not option.help]


def test_verbs_stand_in_the_order_of_an_experiment(the_experiment: Command) -> None:
    told = [line.split() for line in the_experiment("-h").stdout.splitlines()]
    listed = [words[1] for words in told if words[0:1] == ["│"] and (words[1],) in VERBS]
    assert listed == [
        *("worlds", "generate", "train", "test", "compare"),
        *("inspect", "attribute", "patch", "ablate", "force", "probe", "damage"),
        *("faithfulness", "replay"),
        *("models", "programs", "questions"),
        *("traces", "bet"),
        *("demo", "sweep", "experiments", "testui", "ui"),
    ]


def test_the_usage_has_one_pair_of_brackets(the_experiment: Command) -> None:
    usage = the_experiment("train", "-h").stdout
    assert "gpt2|rnn|cnn|all" in usage
    assert "[[" not in usage


@pytest.mark.parametrize(
    ("verb", "default"),
    [
        ("train", "tiny-MODEL-WORLD"),
        ("train", "one token per character"),
        ("testui", "that of the first model"),
    ],
)
def test_a_default_in_words_is_in_the_help(
    the_experiment: Command, verb: str, default: str
) -> None:
    help_text = the_experiment(verb, "-h", COLUMNS="250").stdout
    assert f"[default: ({default})]" in help_text


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from the_experiment.cli import main
for call in {[[], *map(list, VERBS)]}:
    try:
        main([*call, "--help"])
    except SystemExit as ended:
        assert not ended.code, (call, ended.code)
print("heavy:", *sorted(set({HEAVY}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "heavy:"
    assert done.stderr == ""


@pytest.mark.parametrize("words", [("-h",), ("--help",)])
def test_the_printed_flags_and_all_verbs_are_in_the_help(
    the_experiment: Command, words: tuple[str, ...]
) -> None:
    done = the_experiment(*words)
    assert (done.returncode, done.stderr) == (0, "")
    for word in (*PRINTED_FLAGS, *(verb[0] for verb in VERBS)):
        assert word in done.stdout


@pytest.mark.parametrize("flag", PRINTED_FLAGS)
def test_a_printed_flag_has_the_help_of_its_verb(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for call in ([flag, "-h"], [*PRINTED_FLAGS[flag], "-h"]):
        with pytest.raises(SystemExit):
            main(call)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != ""


def test_the_first_command_line_of_the_description(the_experiment: Command, tmp_path: Path) -> None:
    done = the_experiment("--generate", "-o", "1,1,1,1,1;0,0,0,0,0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "held out: 0,0,0,0,0  1,1,1,1,1" in done.stdout
    assert "n = 2 new cases of the rules, not states or rows" in done.stdout
    rows = {path.stem: path.read_bytes().count(b"\n") for path in tmp_path.rglob("*.jsonl")}
    assert rows == {"train": 20_000, "valid": 2_000, "test": 2_000, "heldout": 2}


# -- streams and exit codes ----------------------------------------------------------------------


def test_data_goes_to_stdout_alone(the_experiment: Command) -> None:
    for words in (("list",), ("show", "causal")):
        done = the_experiment("worlds", *words, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert "causal" in str(json.loads(done.stdout))


def test_no_bar_and_no_colour_where_there_is_no_terminal(the_experiment: Command) -> None:
    done = the_experiment("generate", "--hold-out-fraction", "0.2", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "writing rows" not in done.stdout


def test_options_can_be_set_in_the_environment(the_experiment: Command, tmp_path: Path) -> None:
    the_experiment("generate", *SMALL, THE_EXPERIMENT_GENERATE_SEED="7")
    assert json.loads((tmp_path / "dataset/dataset.json").read_text())["seed"] == 7


def test_a_terminal_without_a_letter_gets_another(the_experiment: Command) -> None:
    for words in (("worlds", "check", "-h"), ("generate", "-o", "1")):  # with … and →
        done = the_experiment(*words, PYTHONIOENCODING="ascii")
        assert "Traceback" not in done.stderr
        assert "?" in done.stdout + done.stderr


def test_sigterm_ends_a_command_that_a_shell_has_put_into_the_background(tmp_path: Path) -> None:
    """Scripts start `command &` with Ctrl-C ignored: SIGTERM must not be ignored with it."""
    code = """
import signal, time
from the_experiment import cli
def wait(_):
    open("ready", "w").close()
    time.sleep(60)
cli._run = wait
signal.signal(signal.SIGINT, signal.SIG_IGN)
cli.main([])
"""
    begun = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "ready").exists():
        time.sleep(0.05)
    begun.terminate()
    _, stderr = begun.communicate(timeout=20)
    assert (begun.returncode, stderr) == (130, "")


def test_ctrl_c_during_the_first_imports_ends_quietly() -> None:
    code = """
import signal, sys
class PressCtrlC:
    def find_spec(self, name, *_):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, PressCtrlC())
from the_experiment.cli import main
main(["worlds", "list"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


Ended = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ended:
    """Call the command in this process, in an empty folder: exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return int(ended.value.code or 0), said.out, said.err

    return call


def test_no_number_is_no_share(ended: Ended) -> None:
    """Newer versions of typer say so, and we to older ones."""
    code, out, err = ended("generate", "--hold-out-fraction", "nan")
    assert code == 2
    assert (
        "Invalid value for '--hold-out-fraction'" in err
        or "a share of nan can't be held out" in err
    )
    assert not out
    assert not Path("dataset").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "Usage"),
        (("nothing",), 2, "No such command 'nothing'"),
        (("generate", "--sed", "1"), 2, "No such option"),
        (("generate", "--seed", "x"), 2, "--seed"),
        (("generate", "--seed", "-1"), 2, "--seed"),
        (("generate", "--train-size", "0"), 2, "--train-size"),
        (("generate", "--hold-out-fraction", "2"), 2, "--hold-out-fraction"),
        (("generate", "--hold-out-fraction", "1"), 2, "give a share in [0, 1)"),
        (
            ("generate", "-o", "1,0,1,0,1", "--omit", "0"),
            2,
            "--hold-out, --omit, -o is given 2 times",
        ),
        (("programs", "run", "x", "--seed", "1", "--seed", "1"), 2, "--seed is given 2 times"),
        (
            ("generate", "--hold-out-where", "A AND"),
            2,
            "the condition, column 6: the rule ends too early",
        ),
        (("generate", "--hold-out-where", "A or not A"), 2, "leave some to train on"),
        (("generate", "-w", "nowhere"), 2, "root-niche, word-problems, or a YAML file"),
        (("generate", "-w", "nowhere.yaml"), 1, "nowhere.yaml can't be read: No such file"),
        (("generate", "--out", "."), 1, "choose another place with --out"),
        (("worlds",), 2, "Usage"),
        (("worlds", "show"), 2, "Missing argument"),
        (("worlds", "show", "nowhere"), 2, "there is no world called 'nowhere'"),
        (("worlds", "check", "taken.txt"), 1, "taken.txt: "),
        (("worlds", "new", "taken.txt"), 1, "already exists"),
    ],
)
def test_wrong_calls(ended: Ended, words: tuple[str, ...], code: int, says: str) -> None:
    Path("taken.txt").write_text("my work")
    came, out, err = ended(*words)
    assert came == code
    assert says in " ".join((out + err).replace("│", " ").split())
    assert [path.name for path in Path().iterdir()] == ["taken.txt"]


@pytest.mark.parametrize(
    "sequence",
    [
        *("1,0,1,0", "1,0,1,0,1,0", "a,b,c,d,e", "1 0 1 0 1", "1, 0, 1, 0, 1", "10101"),
        *("1,0,1,0,2", "1,0,1,0,1.", "-1,0,1,0,1", "[/]", "[red]", "'1,0,1,0,1'"),
    ],
)
def test_a_wrong_sequence_is_told_with_a_right_one(ended: Ended, sequence: str) -> None:
    code, out, err = ended("generate", "-o", sequence)
    assert (code, out) == (2, "")
    first, hint = err.splitlines()
    assert first.startswith(f"error: {sequence!r} is not a sequence of world causal")
    assert hint == "  → write A, B, C, D, E like '1,0,1,0,0'"
    assert not Path("dataset").exists()


@pytest.mark.parametrize("sequence", [";", " ; "])
def test_separators_alone_name_no_sequence(ended: Ended, sequence: str) -> None:
    assert ended("generate", "-o", sequence)[0] == 2


def test_nothing_held_out_is_told(ended: Ended) -> None:
    code, out, _ = ended("generate", *SMALL)
    assert code == 0
    assert "Nothing is held out" in out


@pytest.mark.parametrize("folder", ["[/]", "[red]"])
def test_paths_with_brackets_are_shown_as_they_are(ended: Ended, folder: str) -> None:
    code, out, _ = ended("generate", "--out", folder, *SMALL)
    assert code == 0
    assert folder in out
    Path(folder, "x.yaml").write_text("")
    ended("worlds", "new", f"{folder}/mine.yaml")
    assert ended("worlds", "check", f"{folder}/mine.yaml")[1].startswith(f"{folder}/mine.yaml: ")


def test_a_world_that_can_not_be_drawn_is_not_sound(ended: Ended) -> None:
    world = (
        "name: few\nprograms: make_ordered_binding_program\nlength: 3..3\nhops: 1..2\ncount: 3000"
    )
    Path("few.yaml").write_text(world)
    code, _, told = ended("worlds", "check", "few.yaml")
    assert code == 1
    assert "different texts were found of length 3 and 1 hop: lower it, or take longer ones" in told


def test_one_part_is_no_parts(ended: Ended) -> None:
    rules = "name: one\ninputs: {A: bool}\nrules: {B: not A}\n"
    Path("one.yaml").write_text(rules + 'prompt: "{A}"\ncompletion: "={B}"\n')
    assert ended("worlds", "check", "one.yaml")[1].endswith("2 states, 1 part\n")


# -- registries ----------------------------------------------------------------------------------


def test_a_registry_refuses_a_second_thing_of_one_name() -> None:
    registry: Registry[int] = Registry("number", "the_experiment.base", "the_experiment.nothing")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="two numbers are called 'one'"):
        registry.register("one")(2)
    assert registry.names() == ["one"]
    with pytest.raises(Exception, match="there is no number called 'two': one of one"):
        registry["two"]
