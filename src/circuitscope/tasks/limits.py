"""What a model can read: texts no longer than its positions, and tokens that its embedding has."""

from __future__ import annotations

from collections.abc import Sequence

from circuitscope.config import TRUNCATE
from circuitscope.errors import BadInput, argument
from circuitscope.model import LanguageModel
from circuitscope.tasks.inputs import Encoded


def longest_input(model: LanguageModel) -> int | None:
    """How many tokens the model takes; None where its config does not say."""
    return model.positions


def longest_kept(model: LanguageModel, truncate: str) -> int | None:
    """How many tokens are left of a text: as many as the model takes if its beginning may go, else all (None)."""
    if truncate not in TRUNCATE:
        raise BadInput(
            argument("truncate", truncate), expected=" or ".join(TRUNCATE), mend="use one of these"
        )
    return longest_input(model) if truncate == "left" else None


def refuse_unreadable(encoded: Sequence[Encoded], model: LanguageModel, task: str) -> None:
    """Raise BadInput before any work if an example is too long for the model, or has a token that it lacks."""
    limit = longest_input(model)
    longest = max(encoded, key=lambda example: example.length)
    if limit is not None and longest.length > limit:
        count = sum(example.length > limit for example in encoded)
        raise BadInput(
            f"{task} is too long for {model.name}: it has {longest.length} tokens, BOS included, and the model has "
            f"{limit} positions"
            if len(encoded) == 1
            else f"{count} of the {len(encoded)} examples of {task} are too long for {model.name}: the longest has "
            f"{longest.length} tokens, BOS included, and the model has {limit} positions",
            expected=f"texts of at most {limit} tokens",
            mend=f"shorten the texts, or drop their beginnings: {argument('truncate', 'left')}",
        )
    rows = int(model.embedding.shape[0])
    for example in encoded:
        ids = (*example.clean, *(example.patch or ()), *example.clean_answers, *example.patch_answers)
        if max(ids) >= rows:
            word = model.tokenizer.convert_ids_to_tokens(max(ids))
            raise BadInput(
                f"the tokenizer of {model.name} has token {max(ids)} ({word!r}), but the model's embedding has only "
                f"{rows} rows",
                expected="a tokenizer that belongs to the model",
                mend="load the model with its own tokenizer: load_model(…, tokenizer=…)",
            )
