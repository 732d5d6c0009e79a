from torch import Tensor, nn

from circuitscope import register_family
from circuitscope.model import Family, Tap


def through(*path: str):
    """The map that applies the named modules of a block one after the other."""

    def apply(block: nn.Module, x: Tensor) -> Tensor:
        for name in path:
            x = block.get_submodule(name)(x)
        return x

    return apply


OLMO_2 = Family(
    name="OLMo-2",
    model_types=("olmo2",),  # config.model_type
    blocks="model.layers",  # from the HuggingFace model to its list of blocks
    taps={
        "attn": (
            # The first is what attn_3 means. What it adds to the stream is the tensor itself.
            Tap(
                "output of attention after its norm",
                "post_attention_layernorm",
                "output",
                hooks=("hook_attn_out",),  # what SAELens calls it
            ),
            # Projection and norm lie between this tensor and the stream.
            Tap(
                "input of attention's output projection",
                "self_attn.o_proj",
                "input",
                through("self_attn.o_proj", "post_attention_layernorm"),
                hooks=("attn.hook_z",),
            ),
        ),
        "mlp": (
            Tap(
                "output of the MLP after its norm",
                "post_feedforward_layernorm",
                "output",
                hooks=("hook_mlp_out",),
            ),
            Tap(
                "hidden neurons of the MLP",
                "mlp.down_proj",
                "input",
                through("mlp.down_proj", "post_feedforward_layernorm"),
                hooks=("mlp.hook_post",),
            ),
        ),
    },
    # From the stream that the MLP reads to the first mlp tensor; OLMo-2 has no norm before its MLP.
    mlp_from_stream=through("mlp", "post_feedforward_layernorm"),
)

register_family(OLMO_2)
