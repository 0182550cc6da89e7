"""GPT-2, RNN and CNN as transformers models; loading and scoring any Hugging Face causal LM."""

# First of all: the moment transformers is there our models are registered, which imports modules
# of this room. None of them must be half imported then.
import transformers as transformers
