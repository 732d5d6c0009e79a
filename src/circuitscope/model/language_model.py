"""LanguageModel: a HuggingFace causal language model seen as a graph of sites.

Three verbs, on plain PyTorch hooks:

1. ``capture`` runs the model and keeps the tensors of sites and the residual stream around every block;
2. ``logits`` runs it, with edits on sites where asked, and computes logits only where they are needed;
3. ``replay`` runs only what comes after a site: the blocks before it are replaced by stubs that pass on the
   cached stream, so a quadrature point costs only the part of the model that it can change. ``replay_growing``
   does it for copies that enter at different layers, with one call of each block (``blocks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from circuitscope.model.blocks import BlockCalls, BlocksOnCopies, block_calls
from circuitscope.model.family import EMBED, RESID, Family, Tap
from circuitscope.model.fingerprint import fingerprint
from circuitscope.model.hooks import (
    Edit,
    gradients,
    hooked,
    keep_masks_finite,
    only_columns,
    recorded,
    stubbed,
)
from circuitscope.model.tokens import TokenBatch, refuse_unreadable_tokens
from circuitscope.results import ClassifierHead, ModelSource
from circuitscope.terms import Site

Taps = Mapping[Site, Tap]
"""Which tensor each site in use taps."""


@dataclass(frozen=True)
class Cache:
    """What one plain forward pass leaves behind."""

    tokens: TokenBatch
    x: Mapping[Site, Float[Tensor, "batch position _"]]
    """The tapped tensor of each site asked for."""
    streams: tuple[Float[Tensor, "batch position width"], ...]
    """The residual stream before block 0 and after every block (layers + 1 tensors)."""
    logits: Float[Tensor, "batch asked vocab"]
    """Logits at the positions asked for."""


class LanguageModel:
    """A causal language model with the record of its family; its weights are frozen."""

    def __init__(
        self,
        hf: nn.Module,
        family: Family,
        *,
        name: str,
        tokenizer: Any = None,
        whole: LanguageModel | None = None,
        source: str | None = None,
        head: ClassifierHead | None = None,
    ) -> None:
        self.hf = hf.eval().requires_grad_(False)
        self.whole: LanguageModel = self if whole is None else whole
        """The model that this one was cut from (``cut_after``); itself if it is whole."""
        self.family = family
        self.name = name
        self.tokenizer = tokenizer
        self.source = source
        """What ``load_model`` takes to load it again; None if it was made in Python."""
        self.head = head
        """The probe in place of the unembedding, where it is a classifier."""
        config: Any = hf.config
        self.config: Any = config.get_text_config()
        *parents, self._blocks_name = family.blocks.split(".")
        self._blocks_parent = hf.get_submodule(".".join(parents))
        self.blocks: tuple[nn.Module, ...] = tuple(getattr(self._blocks_parent, self._blocks_name))
        base: Any = hf  # transformers gives these no precise types
        self._base: nn.Module = base.base_model
        self._head: nn.Module = base.get_output_embeddings()
        self._widths: dict[tuple[Site, str], int] = {}
        if self.dtype == torch.float64:
            keep_masks_finite(self.blocks)

    def __repr__(self) -> str:
        kind = "classifier on " if self.head is not None else ""
        blocks = "parallel" if self.parallel else "sequential"
        shape = f"{self.n_layers} layers of width {self.width}, {blocks} blocks"
        number = str(self.dtype).removeprefix("torch.")
        return f"LanguageModel({kind}{self.name}: {self.family.name}, {shape}; {number} on {self.device})"

    def as_source(self) -> ModelSource:
        """What a recipe says about the model, so that it can be loaded again and recognised."""
        return ModelSource(
            self.name,
            self.source,
            fingerprint(self),
            self.n_layers,
            str(self.dtype).removeprefix("torch."),
            str(self.device),
            self.head,
        )

    # -- what the model is ---------------------------------------------------------------------------

    @property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def width(self) -> int:
        """Width of the residual stream."""
        return int(self.config.hidden_size)

    @property
    def device(self) -> torch.device:
        return next(self.hf.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.hf.parameters()).dtype

    @property
    def parallel(self) -> bool:
        """Whether attention and MLP of a block read the same stream."""
        return self.family.parallel(self.blocks[0])

    @property
    def sites(self) -> list[Site]:
        """Every site, in the order of computation."""
        layered = [Site(kind, layer) for layer in range(self.n_layers) for kind in ("attn", "mlp", "resid")]
        return [Site("embed", -1), *layered]

    @property
    def unembedding(self) -> Float[Tensor, "vocab width"]:
        """One row per token: its logit is the row times the stream after the last norm."""
        return self._head.get_parameter("weight")

    @property
    def embedding(self) -> Float[Tensor, "token width"]:
        """One row per token that the model knows."""
        base: Any = self.hf
        weight: Tensor = base.get_input_embeddings().weight
        return weight

    @property
    def positions(self) -> int | None:
        """How many tokens the model takes; None where its config does not say."""
        longest = getattr(self.config, "max_position_embeddings", None)
        return None if longest is None else int(longest)

    @cached_property
    def final_norm(self) -> nn.Module:
        """The last norm, which the unembedding reads: the module whose output is the final stream."""
        ids = torch.zeros(1, 1, dtype=torch.long, device=self.device)
        outputs: list[tuple[nn.Module, Any]] = []

        def look(module: nn.Module, arguments: Any, output: Any) -> None:
            outputs.append((module, output))

        handles = [child.register_forward_hook(look) for child in self._blocks_parent.children()]
        try:
            with torch.no_grad():
                final = self._hidden(TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool), has_bos=False))
        finally:
            for handle in handles:
                handle.remove()
        same = (
            module for module, out in outputs[::-1] if isinstance(out, Tensor) and torch.equal(out, final)
        )
        return next(same)

    def tap(self, site: Site, tensor: str | None = None) -> Tap:
        return self.family.tap(site.kind, tensor)

    def taps(self, sites: list[Site]) -> dict[Site, Tap]:
        """The usual tap of each site."""
        return {site: self.tap(site) for site in sites}

    def tap_width(self, site: Site, tap: Tap) -> int:
        """Length of the tapped vector, as one token's forward pass has it; it may differ from the stream's."""
        if tap.side == "output" or not tap.module:
            return self.width
        key = (site, tap.name)
        if key not in self._widths:
            ids = torch.zeros(1, 1, dtype=torch.long, device=self.device)
            token = TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool), has_bos=False)
            self._widths[key] = int(self.capture(token, {site: tap}, ids).x[site].shape[-1])
        return self._widths[key]

    # -- running it ----------------------------------------------------------------------------------

    def logits(
        self,
        tokens: TokenBatch,
        positions: Int[Tensor, "batch asked"],
        edits: Mapping[Site, tuple[Tap, Edit]] | None = None,
        only: Int[Tensor, "batch token"] | None = None,
    ) -> Float[Tensor, "batch asked _"]:
        """Logits at the given columns of a run, with edits on sites; autograd as the caller has it.

        ``only`` names the tokens whose logits are wanted, row by row; None gives the whole vocabulary.
        """
        with hooked(self.blocks, edits or {}):
            hidden = self._hidden(tokens)
        return self._unembed(_at(hidden, positions), only)

    def capture(
        self, tokens: TokenBatch, taps: Taps, positions: Int[Tensor, "batch asked"], *, grad: bool = False
    ) -> Cache:
        """Run the model unedited and keep the taps' tensors and the stream around every block.

        With ``grad`` the tensors are connected in one autograd graph that starts at the embedding, so the
        gradient of a metric can be taken at all of them at once.
        """
        x: dict[Site, Tensor] = {}
        streams: dict[int, Tensor] = {}

        def start(tensor: Tensor) -> Tensor:
            streams[0] = tensor.detach().requires_grad_() if grad else tensor
            if Site("embed", -1) in taps:
                x[Site("embed", -1)] = streams[0]
            return streams[0]

        def keep(site: Site) -> Edit:
            def look(tensor: Tensor) -> Tensor:
                x[site] = tensor
                return tensor

            return look

        def after(layer: int) -> Edit:
            def look(tensor: Tensor) -> Tensor:
                streams[layer + 1] = tensor
                site = Site("resid", layer)
                if site in taps:
                    x[site] = tensor
                return tensor

            return look

        edits: dict[Site, tuple[Tap, Edit]] = {Site("embed", -1): (EMBED, start)}
        edits |= {Site("resid", layer): (RESID, after(layer)) for layer in range(self.n_layers)}
        edits |= {site: (tap, keep(site)) for site, tap in taps.items() if site.kind in ("attn", "mlp")}
        with gradients(grad):
            logits = self.logits(tokens, positions, edits)
        ordered = {site: x[site] for site in sorted(taps)}
        return Cache(tokens, ordered, tuple(streams[i] for i in range(self.n_layers + 1)), logits)

    def enter(
        self,
        site: Site,
        tap: Tap,
        x: Float[Tensor, "row position _"],
        cache: Cache,
        rows: Int[Tensor, " row"],
        frozen: Taps | None = None,
    ) -> tuple[int, Float[Tensor, "row position width"]]:
        """The layer after which a replaced site joins the residual stream, and the stream there.

        ``x`` replaces the site's tensor in copies of the examples ``rows`` of the cache. An MLP is the last
        thing that a block adds, and in a parallel block attention is not read by it, so their change joins
        after the block. In a sequential block the MLP is computed again on the changed stream, unless its
        site is ``frozen``. A residual site replaces the stream itself.
        """
        if site.kind in ("embed", "resid"):
            return site.layer, x
        block = self.blocks[site.layer]
        change = tap.contributes(block, x) - tap.contributes(block, cache.x[site][rows])
        after = cache.streams[site.layer + 1][rows]
        reads_attention = site.kind == "attn" and not self.parallel
        if not reads_attention or Site("mlp", site.layer) in (frozen or {}):
            return site.layer, after + change
        before_mlp = cache.streams[site.layer][rows] + tap.contributes(block, x)
        return site.layer, before_mlp + self.mlp_contribution(site.layer, before_mlp)

    def mlp_contribution(
        self, layer: int, stream: Float[Tensor, "*shape width"]
    ) -> Float[Tensor, "*shape width"]:
        """What a block's MLP adds to the residual stream that it reads."""
        block = self.blocks[layer]
        return self.family.tap("mlp").contributes(block, self.family.mlp_from_stream(block, stream))

    def replay(
        self,
        entry: int,
        stream: Float[Tensor, "row position width"],
        tokens: TokenBatch,
        positions: Int[Tensor, "row asked"],
        edits: Mapping[Site, tuple[Tap, Edit]] | None = None,
        only: Int[Tensor, "row token"] | None = None,
    ) -> Float[Tensor, "row asked _"]:
        """Logits when ``stream`` is the residual stream after block ``entry`` (-1: before block 0).

        ``only`` names the tokens whose logits are wanted, row by row; None gives the whole vocabulary. The last
        block's MLP runs only at the columns asked for, since nothing reads it elsewhere.
        """
        with hooked(self.blocks, edits or {}), self._last_mlp_at(positions, entry, stream, edits or {}):
            hidden = self._replay_hidden(entry, stream, tokens, self.n_layers)
        return self._unembed(_at(hidden, positions), only)

    def block_calls(self, tokens: TokenBatch) -> BlockCalls:
        """How each block is called on a batch, so that it can be called by itself on copies of the examples."""
        found = []
        for times in (1, 2):
            example = torch.arange(tokens.batch, device=tokens.ids.device).repeat(times)
            with torch.no_grad(), recorded(self._blocks_parent, self._blocks_name) as calls:
                self._hidden(tokens.take(example))
            found.append(calls)
        return block_calls(self.blocks, *found)

    def replay_growing(
        self,
        entering: Mapping[int, Float[Tensor, "_ position width"]],
        blocks: BlocksOnCopies,
        positions: Int[Tensor, "row asked"],
        edits: Mapping[Site, tuple[Tap, Edit]] | None = None,
        only: Int[Tensor, "row token"] | None = None,
    ) -> Float[Tensor, "row asked _"]:
        """As ``replay`` for copies that enter at different layers, in one batch that grows from block to block.

        Every block is called once, on the copies that have entered before it. Edits see these copies alone.

        Args:
            entering: by layer, the streams that enter after its block; rows follow in the order of layers.
            blocks: for the examples that the rows are copies of, in the same order.
        """
        first, last = min(entering), self.n_layers - 1
        stream = entering[first]
        with hooked(self.blocks, edits or {}):
            for layer in range(first + 1, self.n_layers):
                asked = positions[: len(stream)]
                with self._last_mlp_at(asked, first, stream, edits or {}) if layer == last else nullcontext():
                    stream = blocks.run(layer, stream)
                if layer in entering:
                    stream = torch.cat([stream, entering[layer]])
        # The last norm works position by position, as the unembedding does.
        return self._unembed(self.final_norm(_at(stream, positions)), only)

    def _last_mlp_at(
        self, positions: Tensor, entry: int, stream: Tensor, edits: Mapping[Site, tuple[Tap, Edit]]
    ) -> AbstractContextManager[None]:
        """Where the last block runs unedited, its MLP is restricted to the columns asked for."""
        last = self.n_layers - 1
        runs = entry < last and positions.shape[1] < stream.shape[1]
        if not runs or any(site.layer == last for site in edits):
            return nullcontext()
        return only_columns(self.blocks[last].get_submodule(self.family.mlp), positions)

    def replay_blocks(
        self,
        entry: int,
        stream: Float[Tensor, "row position width"],
        tokens: TokenBatch,
        stop: int,
        edits: Mapping[Site, tuple[Tap, Edit]],
    ) -> None:
        """Run only the blocks after ``entry`` and before ``stop``, for what the edits see."""
        with hooked(self.blocks, edits):
            self._replay_hidden(entry, stream, tokens, stop)

    def _replay_hidden(self, entry: int, stream: Tensor, tokens: TokenBatch, stop: int) -> Tensor:
        edits: dict[Site, tuple[Tap, Edit]] = {}
        if entry < 0:
            edits[Site("embed", -1)] = (EMBED, lambda _: stream)
        with (
            hooked(self.blocks, edits),
            stubbed(self._blocks_parent, self._blocks_name, entry, stream, stop),
        ):
            return self._hidden(tokens)

    def _hidden(self, tokens: TokenBatch) -> Tensor:
        """The final residual stream after the last norm."""
        refuse_unreadable_tokens(tokens, self.positions, len(self.embedding), self.name)
        output = self._base(
            input_ids=tokens.ids,
            attention_mask=tokens.mask.long(),
            position_ids=tokens.position_ids,
            use_cache=False,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _unembed(self, hidden: Tensor, only: Tensor | None = None) -> Tensor:
        """Logits of the final stream at the positions asked for: of all words, or of some in each row."""
        logits: Tensor = self._head(hidden) if only is None else self._logits_of(hidden, only)
        cap = getattr(self.config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def _logits_of(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """The unembedding's rows of some tokens: a few products instead of one per word of the vocabulary."""
        logits = hidden @ self.unembedding[tokens].transpose(1, 2)
        bias: Tensor | None = getattr(self._head, "bias", None)
        return logits if bias is None else logits + bias[tokens][:, None]

    # -- what it costs -------------------------------------------------------------------------------

    def bytes_per_example(self, positions: int, entry: int = -1) -> int:
        """A generous estimate of what a forward and backward pass after block ``entry`` holds per example."""
        heads = int(self.config.num_attention_heads)
        hidden = int(getattr(self.config, "intermediate_size", 4 * self.width))
        per_block = positions * (16 * self.width + 5 * hidden + 4 * heads * positions)
        head = 3 * int(self.config.vocab_size)
        item = max(self.dtype.itemsize, 4)  # norms and softmax run in float32 at least
        return item * (per_block * (self.n_layers - entry) + positions * self.width * 4 + head)


def _at(hidden: Tensor, positions: Int[Tensor, "row asked"]) -> Tensor:
    """A stream at some columns of each row: (row, asked, width)."""
    return hidden.gather(1, positions[:, :, None].expand(-1, -1, hidden.shape[-1]))
