"""What a model's config says of its size, read before its weights are."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.errors import BadInput, argument
from circuitscope.model.checkpoint import read_config
from circuitscope.model.hub import downloaded
from circuitscope.model.language_model import LanguageModel
from circuitscope.model.load import files_of, name_of, place_of
from circuitscope.runs import looks_like_path
from circuitscope.terms import Site


@dataclass(frozen=True)
class ModelShape:
    """Layers and positions of a model."""

    name: str
    n_layers: int | None
    """None where the config does not say."""
    positions: int | None
    """How many tokens it takes; None where the config does not say."""

    def refuse_missing_site(self, site: Site, name: str) -> None:
        """Raise BadInput for a site in a layer that the model does not have; ``name`` is of the argument."""
        if self.n_layers is not None and site.layer >= self.n_layers:
            raise BadInput(
                f"{self.name} has no site {site}",
                expected=f"{site.kind}_0 to {site.kind}_{self.n_layers - 1}",
                mend=f"change {argument(name)}",
            )

    def refuse_longer(self, tokens: int, name: str) -> None:
        """Raise BadInput for contexts of more tokens than the model takes; ``name`` is of the argument."""
        if self.positions is not None and tokens > self.positions:
            raise BadInput(
                argument(name, tokens),
                expected=f"at most {self.positions}, the longest context of {self.name}",
                mend=f"change {argument(name)}",
            )


def shape_of(source: str | LanguageModel) -> ModelShape:
    """The shape of a model, or of what ``load_model`` takes by name: reads no weights, and does not ask the hub.

    Raises:
        BadFile: there is no such folder, or its config cannot be read.
    """
    if isinstance(source, LanguageModel):
        return ModelShape(source.name, source.n_layers, source.positions)
    place = place_of(source)
    files = files_of(place) if looks_like_path(place) else downloaded(place)
    if files is None:
        return ModelShape(source, None, None)
    config = read_config(str(files), place)
    found = [getattr(config, word, None) for word in ("num_hidden_layers", "max_position_embeddings")]
    layers, positions = (value if isinstance(value, int) else None for value in found)
    return ModelShape(name_of(source), layers, positions)
