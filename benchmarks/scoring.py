"""How fast all states of a world are graded beside a `generate` call for each.

    python benchmarks/scoring.py --rounds 5 --threads 1

A GPT-2 of the default size is trained on the default world until it fits; then each way finds its
completion of all 32 states: ours grades them too, part by part, with probabilities. The texts have
to be the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from hf_trainer import default_config
from the_experiment.base.runs import Run
from the_experiment.evaluation.completions import complete
from the_experiment.evaluation.trained import Trained
from the_experiment.models.texts import end_id, pad_id, prompt_ids
from the_experiment.training.loop import train
from turns import OURS, parser, print_ratios, taken, timed


def main() -> None:
    """Train a model, check that both ways agree, run the turns and print the table."""
    options = parser(__doc__, rounds=5, threads=1)
    options.add_argument("--rows", type=int, default=20_000)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    with default_config(given.rows) as (config, _), tempfile.TemporaryDirectory() as out:
        run = Run(Path(out) / "model")
        train(config.model_copy(update={"until_fit": True, "threads": given.threads}), run)
        trained = Trained(run)
        world, (model, tokenizer) = trained.split.world, trained.loaded
        prompts = world.prompts(world.states())
        room = max(map(len, world.completions(world.states()))) + 1

        @torch.inference_mode()
        def one_by_one() -> list[str]:
            texts = []
            for prompt in prompts:
                ids = torch.tensor([prompt_ids(tokenizer, prompt)])
                written = model.generate(  # type: ignore[operator,unused-ignore]
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=room,
                    do_sample=False,
                    eos_token_id=end_id(tokenizer),
                    pad_token_id=pad_id(tokenizer),
                )[0, ids.shape[1] :]
                texts.append(str(tokenizer.decode(written, skip_special_tokens=True)))
            return texts

        def graded() -> list[str]:
            return [one.text for one in complete(model, tokenizer, world, prompts)]

        if graded() != one_by_one():
            raise SystemExit("the two ways write different texts")
        turns = {"a generate call a state": timed(one_by_one), OURS: timed(graded)}
        print_ratios("all states", taken(turns, given.rounds), f"{len(prompts)} states")


if __name__ == "__main__":
    main()
