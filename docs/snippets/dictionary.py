from pathlib import Path

from safetensors.torch import load_file

import circuitscope as cs
from circuitscope.dictionaries.kinds import build


def read_my_format(folder: Path) -> cs.Dictionaries:
    """One file per site, such as resid_3.safetensors, with W of shape (width, features) both ways."""
    by_site = {}
    for path in sorted(folder.glob("*.safetensors")):
        mine = load_file(path)
        weights = {
            "w_enc": mine["W_enc"].T.contiguous(),  # (feature, width)
            "b_enc": mine["b_enc"],
            "w_dec": mine["W_dec"],  # (feature, width): row i is the write vector of feature i
            "b_dec": mine["b_dec"],
            "pre_bias": mine["b_dec"],  # where the encoder reads x − b_dec
            "threshold": mine["threshold"],
        }
        by_site[cs.Site.parse(path.stem)] = build("jumprelu", weights, {}, where=str(path))
    return cs.Dictionaries(by_site, name="mine", prepend_bos=True)


cs.write_dictionaries(read_my_format(Path("my-dictionaries")), Path("dictionaries"))
