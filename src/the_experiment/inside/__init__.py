"""Looking inside a model and breaking it: named sites, interventions, and maps of what they do.

Any Hugging Face decoder can be opened whose `model_type` has a table in `layouts/`:

>>> import torch
>>> from transformers import LlamaConfig, LlamaForCausalLM
>>> from the_experiment.inside.edits import Edit
>>> from the_experiment.inside.hooked_model import HookedModel
>>> from the_experiment.inside.sites import Site
>>> from the_experiment.inside.validation import validated
>>> small = {"vocab_size": 9, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2}
>>> model = LlamaForCausalLM(LlamaConfig(**small, num_attention_heads=2)).eval()
>>> hooked = validated(HookedModel(model))
>>> clean, source = torch.tensor([[3, 4, 5]]), torch.tensor([[3, 7, 5]])
>>> logits, cache = hooked.run_with_cache(source)
>>> site = Site("resid_pre", 1)
>>> tuple(cache[site].shape)  # (rows, positions, width)
(1, 3, 8)

A row of a batch for each list of edits: here one that is not edited, and one whose second position
is patched from `source`.

>>> patch = Edit(site, positions=(1,), add=cache[site][0, 1])
>>> edited = hooked.run(clean.expand(2, -1), edits=[[], [patch]]).logits
>>> bool((edited[0] != edited[1]).any(-1)[0]), bool((edited[0] != edited[1]).any(-1)[1])
(False, True)
"""
