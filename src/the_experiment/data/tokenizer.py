"""Tokenizers made for what is read: one token for each character, each word, or piece of a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Regex
    from transformers import PreTrainedTokenizerFast

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"


def character_tokenizer(alphabet: str) -> PreTrainedTokenizerFast:
    """A Hugging Face tokenizer with a token for each character, and `<pad>`, `<eos>`, `<unk>`.

    >>> tokenizer = character_tokenizer(",01")
    >>> tokenizer("0,1")["input_ids"], tokenizer.decode([4, 3, 5])
    ([4, 3, 5], '0,1')
    """
    from tokenizers import Regex, decoders

    made = _tokenizer([*alphabet], Regex(r"[\s\S]"), drops_the_rest=False)
    made.backend_tokenizer.decoder = decoders.Fuse()
    return made


def word_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """The same with a token for each word and each mark in these texts; blanks are none.

    >>> tokenizer = word_tokenizer(["Mode = TEST."])
    >>> tokenizer("TEST = TEST.")["input_ids"], tokenizer.decode([5, 4])
    ([6, 4, 6, 3], 'Mode =')
    """
    import re

    from tokenizers import Regex

    words = r"\w+|[^\w\s]"
    found = sorted({word for text in texts for word in re.findall(words, text)})
    return _tokenizer(found, Regex(words), drops_the_rest=True)


def _tokenizer(
    tokens: Sequence[str], each: Regex, *, drops_the_rest: bool
) -> PreTrainedTokenizerFast:
    """`each` finds the tokens in a text; what is between them is dropped, or a token as well."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: number for number, token in enumerate([PAD, EOS, UNKNOWN, *tokens])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        each, behavior="removed" if drops_the_rest else "isolated", invert=drops_the_rest
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side="left",  # so that completions of a batch start at the same place
        clean_up_tokenization_spaces=False,
    )


def subword_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A Hugging Face tokenizer of the commonest pieces of words in `texts`, and of single bytes.

    Pairs are joined from bytes upwards until there are `vocabulary` tokens (Sennrich et al. 2016),
    so that it can write any text.

    >>> tokenizer = subword_tokenizer(["rain causes mud, mud causes rain"] * 9, 300)
    >>> tokenizer.decode(tokenizer("mud causes é")["input_ids"])
    'mud causes é'
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
