"""`the-experiment traces ask` and `judge`: what other people's models are asked, and paid, for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options

if TYPE_CHECKING:
    from the_experiment.experiments.traces.asking import EndpointRequests

ASK_EXAMPLES = options.examples(
    "the-experiment traces ask gsm8k --prompts gsm8k.jsonl --model gpt-4.1 --limit 20",
    "the-experiment traces ask gsm8k --prompts gsm8k.jsonl --model gpt-4.1 --limit 20 --yes",
    "the-experiment traces ask mine --prompts mine.jsonl --model qwen "
    "--base-url http://127.0.0.1:8000/v1 --yes",
)
JUDGE_EXAMPLES = options.examples(
    "the-experiment traces judge gsm8k-judged --rows out/traces/gsm8k/traces.jsonl "
    "--model gpt-4.1 --yes",
    "the-experiment traces judge local --rows traces.jsonl --model mine "
    "--base-url http://localhost:8000/v1",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the results.")]
Model = Annotated[
    str,
    options.Option("--model", "-m", metavar="MODEL", help="The name of the model at the endpoint."),
]
BaseUrl = Annotated[
    str,
    options.Option(
        "--base-url",
        metavar="URL",
        help="The URL of an OpenAI-compatible endpoint.",
        show_default="OPENAI_BASE_URL, or the hosted one",
    ),
]
Limit = Annotated[int, options.Option(min=0, help="The maximum number of prompts to send. 0: all.")]
MaxTokens = Annotated[int, options.Option(min=1, help="The maximum number of tokens in a reply.")]
Workers = Annotated[int, options.Option(min=1, help="The number of concurrent requests.")]
PriceIn = Annotated[
    float | None, options.Option("--price-in", min=0, help="The price of a million input tokens.")
]
PriceOut = Annotated[
    float | None, options.Option("--price-out", min=0, help="The price of a million output tokens.")
]
Yes = Annotated[
    bool,
    options.Option(
        "--yes",
        help="Agree to the cost and send the requests. Without it, only the cost is printed.",
    ),
]
Out = Annotated[
    Path, options.Option("--out", help="The output folder. Results go to traces/NAME/ in it.")
]


def ask(
    name: Name,
    prompts: Annotated[
        Path,
        options.Option(
            "--prompts",
            metavar="FILE",
            help="A file of rows with a prompt, question or problem, and the "
            "answer if it is known.",
        ),
    ],
    model: Model,
    base_url: BaseUrl = "",
    limit: Limit = 0,
    max_tokens: MaxTokens = 2_048,
    workers: Workers = 8,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    yes: Yes = False,
    out: Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Have a model at an endpoint write traces for your prompts, once you said --yes to the cost.

    The key is OPENAI_API_KEY, in the environment or in a file .env here. Run again, it asks what is
    missing.
    """
    from the_experiment.base.logs import log_to_folder
    from the_experiment.experiments.traces.asking import (
        EndpointRequests,
        Price,
        read_prompts,
        requests_folder,
    )
    from the_experiment.experiments.traces.endpoint import INSTRUCTIONS, ask_traces
    from the_experiment.models.endpoint import Endpoint
    from the_experiment.report.terminal import counting

    log_to_folder()
    asked = read_prompts(prompts, limit)
    endpoint, price = Endpoint(base_url or None), Price(price_in, price_out)
    folder = requests_folder(name, out)
    asking = EndpointRequests(endpoint, model, INSTRUCTIONS, max_tokens, folder, price, workers)
    if not _agreed(asking, [prompt.text for prompt in asked], yes):
        return
    with counting("prompts", len(asked)) as progress:
        traced = ask_traces(asking, asked, progress)
    _show(asking, traced.as_json() if as_json else list(traced.sentences()))


def judge(
    name: Name,
    rows: Annotated[
        Path,
        options.Option(
            "--rows",
            metavar="FILE",
            help="A file of rows with a prompt, a model's completion and the correct answer.",
        ),
    ],
    model: Model,
    base_url: BaseUrl = "",
    limit: Limit = 0,
    max_tokens: MaxTokens = 64,
    workers: Workers = 8,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    seed: options.Seed = defaults.SEED,
    yes: Yes = False,
    out: Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Have a model at an endpoint grade answers, and hold it against the exact grader.

    Give a model that thinks before it speaks more --max-tokens. Run again, it asks what is missing.
    """
    from the_experiment.base.logs import log_to_folder
    from the_experiment.experiments.traces.asking import (
        EndpointRequests,
        Price,
        read_prompts,
        requests_folder,
    )
    from the_experiment.experiments.traces.judging import (
        INSTRUCTIONS,
        judge,
        judged_prompts,
        judged_text,
    )
    from the_experiment.models.endpoint import Endpoint
    from the_experiment.report.terminal import counting

    log_to_folder()
    judged = judged_prompts(read_prompts(rows, limit))
    endpoint, price = Endpoint(base_url or None), Price(price_in, price_out)
    folder = requests_folder(name, out)
    asking = EndpointRequests(endpoint, model, INSTRUCTIONS, max_tokens, folder, price, workers)
    if not _agreed(asking, [judged_text(prompt) for prompt in judged], yes):
        return
    with counting("answers", len(judged)) as progress:
        agreement = judge(asking, judged, seed, progress)
    _show(asking, agreement.as_json() if as_json else list(agreement.sentences()))


def _agreed(asking: EndpointRequests, texts: Sequence[str], yes: bool) -> bool:
    """Tell what asking costs, and whether it was agreed to; what is all there costs nothing."""
    from the_experiment.base.logs import stderr

    cost = asking.estimate(texts)
    if not cost.prompts:
        return True
    told = f"estimated requests to {asking.model}, at most: {cost}"
    stderr.print(told, markup=False, soft_wrap=True)
    if not yes:
        stderr.print("nothing was sent: pass --yes to send, and to pay", soft_wrap=True)
    return yes


def _show(asking: EndpointRequests, told: dict[str, object] | list[str]) -> None:
    from the_experiment.base.logs import stderr
    from the_experiment.report.terminal import print_json

    if isinstance(told, dict):
        print_json(told)
    else:
        print("\n".join(told))
    stderr.print(f"results: {asking.folder}/", markup=False, soft_wrap=True)
