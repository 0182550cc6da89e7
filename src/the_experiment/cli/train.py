"""`the-experiment train`: train one model, or all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.defaults import Loss, Size
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs()


@app.command(
    rich_help_panel=options.TRAINING,
    epilog=options.examples(
        "the-experiment train gpt2",
        "the-experiment train all --until-fit --seeds 1-5",
        "the-experiment train rnn --size original --name big-rnn --resume",
        "the-experiment train --base out/tiny-gpt2-causal --dataset more.jsonl --name tuned",
    ),
)
def train(
    model: Annotated[
        str,
        typer.Argument(
            metavar="gpt2|rnn|cnn|all", help="The architecture to train, or all of them."
        ),
    ] = defaults.MODEL,
    dataset: Annotated[
        str,
        options.Option(
            help="The data to train on: a dataset folder, a file of questions, "
            "or rows with a prompt and a completion."
        ),
    ] = defaults.DATASET,
    out: options.Out = Path(defaults.OUT),
    name: Annotated[
        str, options.Option(help="The name of the run.", show_default="tiny-MODEL-WORLD")
    ] = "",
    size: Annotated[
        Size,
        options.Option(
            help="The size of the other models. match: as many parameters as "
            "GPT-2; original: the RNN has seven times as many (once called seed)."
        ),
    ] = "match",
    width: Annotated[
        int, options.Option(min=1, help="The width of GPT-2's embedding.")
    ] = defaults.WIDTH,
    layers: Annotated[
        int, options.Option(min=1, help="The number of GPT-2's layers.")
    ] = defaults.LAYERS,
    heads: Annotated[
        int, options.Option(min=1, help="The number of attention heads in each layer of GPT-2.")
    ] = defaults.HEADS,
    base: Annotated[
        str,
        options.Option(
            metavar="MODEL",
            help="Start from the weights and tokenizer of this model.",
            show_default="a new one",
        ),
    ] = "",
    tokenizer: Annotated[
        str,
        options.Option(
            help="The name or folder of a Hugging Face tokenizer.",
            show_default="one token per character",
        ),
    ] = "",
    epochs: Annotated[
        int, options.Option(min=1, help="The number of epochs; the maximum with --until-fit.")
    ] = defaults.EPOCHS,
    learning_rate: Annotated[
        float,
        options.Option(
            help="The peak learning rate. It decays to zero, or stays constant with --until-fit."
        ),
    ] = defaults.LEARNING_RATE,
    batch_size: Annotated[int, options.Option(min=1, help="The batch size.")] = defaults.BATCH_SIZE,
    loss: Annotated[
        Loss,
        options.Option(
            help="The tokens that the loss is computed on: all, or those of the completion."
        ),
    ] = "all",
    until_fit: Annotated[
        bool,
        options.Option(
            "--until-fit",
            help="Stop once every seen state is answered exactly in several checks in a row.",
        ),
    ] = False,
    seed: options.TrainingSeed = defaults.SEED,
    seeds: options.Seeds = "",
    device: options.OnDevice = "auto",
    precision: options.OfPrecision = "auto",
    threads: options.Threads = defaults.THREADS,
    deterministic: options.Deterministic = False,
    plain: Annotated[
        bool,
        options.Option(
            "--plain",
            help="Train transformers' own modules. By default faster equivalents of GPT-2's "
            "blocks and of dropout are trained, in which hooks don't fire.",
        ),
    ] = False,
    compiled: Annotated[
        bool,
        options.Option(
            "--compile",
            help="Compile GPT-2's training step on a CPU: steps are faster, after up to a minute "
            "for the first training of a shape and seconds for later ones. Pays from about 5,000 "
            "steps on, or for several trainings. Needs a C++ compiler.",
        ),
    ] = False,
    checkpoint_every: Annotated[
        int, options.Option(min=1, help="The number of steps between checkpoints.")
    ] = (defaults.CHECKPOINT_EVERY),
    resume: Annotated[
        bool, options.Option("--resume", help="Resume from the last checkpoint.")
    ] = False,
    config: options.ConfigFile = None,  # noqa: ARG001 - read before the others, see its callback
) -> None:
    """Train GPT-2, an RNN or a CNN on the states that are not held out."""
    from the_experiment.base.instructions import fix_instructions
    from the_experiment.base.logs import log_to_folder

    if deterministic:
        fix_instructions()  # before torch is loaded
    from the_experiment.report.summaries import training_summary
    from the_experiment.report.terminal import stdout
    from the_experiment.training.config import TrainConfig

    log_to_folder()
    shared = TrainConfig.checked(
        dataset=dataset,
        size=size,
        width=width,
        layers=layers,
        heads=heads,
        base=base or None,
        tokenizer=tokenizer or None,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        loss=loss,
        until_fit=until_fit,
        seed=seed,
        device=device,
        precision=precision,
        threads=threads,
        deterministic=deterministic,
        plain=plain,
        compiled=compiled,
        checkpoint_every=checkpoint_every,
    )
    from the_experiment.training.several import train_each  # slow; wrong settings are told before

    several = options.numbers(seeds)
    for result in train_each(model, shared, out, name=name, seeds=several, resume=resume):
        stdout.print(training_summary(result))
