"""What a model can read: texts no longer than its positions, and tokens that its embedding has."""

from __future__ import annotations

from collections.abc import Sequence

from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel
from circuitscope.tasks.inputs import Encoded


def longest_input(model: LanguageModel) -> int | None:
    """How many tokens the model takes; None where its config does not say."""
    longest = getattr(model.config, "max_position_embeddings", None)
    return None if longest is None else int(longest)


def refuse_unreadable(encoded: Sequence[Encoded], model: LanguageModel, task: str) -> None:
    """Raise BadInput before any work if an example is too long for the model, or has a token that it lacks."""
    limit = longest_input(model)
    longest = max(encoded, key=lambda example: example.length)
    if limit is not None and longest.length > limit:
        count = sum(example.length > limit for example in encoded)
        raise BadInput(
            f"{count} of the {len(encoded)} examples of {task} are too long for {model.name}: the longest has "
            f"{longest.length} tokens, BOS included, and the model has {limit} positions",
            expected=f"texts of at most {limit} tokens",
            mend="shorten the texts; what the answer depends on is best kept near its end",
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
