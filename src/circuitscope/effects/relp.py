"""relp: attribution with the linear rules of relevance patching (Rezaei Jafari et al. 2025, arXiv 2508.21258).

Attribution patching's formula, effect = coefficient · (a_patch − a_clean), with the coefficient propagated back by
the rules of ``model/linear_rules.py`` instead of the gradient. One forward and one backward pass serve every site.

On a model in which nothing bends this is atp, and exact. Where biases are 0 the model under the rules is
homogeneous, so Σ over a full cut of coefficient · x is m itself (conservation), if m is linear in the logits.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from circuitscope.effects.at_clean import gradients_at_clean
from circuitscope.model import LanguageModel, Tap, linear_rules
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site


def coefficients_at_clean(
    model: LanguageModel, inputs: Inputs, metric: Metric, taps: Mapping[Site, Tap]
) -> dict[Site, Float[Tensor, "batch position _"]]:
    """What relp has in place of ∂m/∂x at clean, for every site.

    Raises:
        UnsupportedModel: the model's family has no linear rules.
    """
    with linear_rules(model):
        return gradients_at_clean(model, inputs, metric, taps)
