"""One vector per text: a residual site's activations, pooled over the text's tokens.

``mean`` is over all tokens that are neither padding nor BOS; ``last`` is the last token. BOS is left out, as it is
left out of nodes, contexts and means: what it holds is the same for every text, so in a mean it would only tell how
long the text is. (The published classifiers average over all tokens that are not padding; Pythia's have no BOS.)
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from circuitscope.errors import BadInput
from circuitscope.model import Edits, EditsOf, LanguageModel, TokenBatch, cut_after
from circuitscope.tasks.labelled.text_tokens import BATCH_SIZE, Texts, count_batches, token_blocks
from circuitscope.terms import Site
from circuitscope.work import Arrays, Batches, InMemory, Unit, finished, shown

log = logging.getLogger("circuitscope")

POOLINGS = ("mean", "last")


def pool(
    x: Float[Tensor, "batch position width"], tokens: TokenBatch, pooling: str
) -> Float[Tensor, "batch width"]:
    """One vector per text, in float32 at least."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    if pooling == "last":
        return wide[torch.arange(tokens.batch, device=x.device), tokens.last.to(x.device)]
    live = tokens.live.to(x.device)[:, :, None]
    return wide.masked_fill(~live, 0).sum(dim=1) / live.sum(dim=1).clamp(min=1)


def pooled_activations(
    model: LanguageModel,
    texts: Texts | TokenBatch,
    *,
    site: Site,
    pooling: str = "mean",
    bos: bool = False,
    edits: Edits | EditsOf | None = None,
    batch_size: int = BATCH_SIZE,
    partial: Batches | None = None,
) -> Float[Tensor, "text width"]:
    """Pooled activations of a residual site for every text, with edits on the way where asked.

    Only the blocks up to the site run. Edits of later sites cannot change it, so they are left out.

    Args:
        edits: for any batch of tokens (``edits_of``), or for exactly the batch that is given.
        partial: where finished batches are kept, so that a killed run can continue.
    """
    if pooling not in POOLINGS:
        raise BadInput(f"pooling by {pooling!r}", expected=" or ".join(POOLINGS), mend="use one of these")
    cut = cut_after(model, site, nn.Identity())
    store = InMemory() if partial is None else partial
    units = (
        Unit(
            f"pooled-{block.first:06d}",
            functools.partial(_block, batches=block.batches, site=site, pooling=pooling, edits=edits),
            len(block.batches),
        )
        for block in token_blocks(model, texts, bos=bos, size=batch_size)
    )
    rows = [torch.zeros(0, model.width)]  # of no texts at all
    total = count_batches(texts, batch_size)
    with shown() as tell:
        for _, arrays in finished(units, cut, store, tell, "pooled activations", total=total):
            rows.append(torch.from_numpy(arrays["x"]))
    return torch.cat(rows[1:] or rows).to(model.device)


def _block(
    cut: LanguageModel,
    *,
    batches: Sequence[TokenBatch],
    site: Site,
    pooling: str,
    edits: Edits | EditsOf | None,
) -> Arrays:
    """The pooled activations of some batches."""
    pooled = [_pooled(cut, tokens, site, pooling, edits) for tokens in batches]
    return {"x": torch.cat(pooled).cpu().numpy()}


def _pooled(
    cut: LanguageModel, tokens: TokenBatch, site: Site, pooling: str, edits: Edits | EditsOf | None
) -> Float[Tensor, "batch width"]:
    made = edits if isinstance(edits, Mapping) or edits is None else edits(tokens)
    wanted = {at: edit for at, edit in (made or {}).items() if at.layer <= site.layer}
    columns = torch.arange(tokens.positions, device=cut.device).expand(tokens.batch, -1)
    with torch.no_grad():
        return pool(cut.logits(tokens, columns, wanted), tokens, pooling)


def check_edits(texts: Sequence[object] | TokenBatch, edits: Edits | EditsOf | None) -> None:
    """Edits made for one batch of tokens fit no other."""
    if isinstance(edits, Mapping) and not isinstance(texts, TokenBatch):
        raise BadInput(
            "edits for one batch of tokens, but texts that make several",
            expected="edits for any batch, or the tokens that they were made for",
            mend="edits=edits_of(model, dictionaries, features)",
        )
