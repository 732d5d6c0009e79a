"""Training dictionaries for a model that has none, all sites in one pass over its activations.

``corpus`` cuts text into contexts, ``stream`` turns them into shuffled activations, ``site_trainer`` learns
one site's dictionary, ``trainer`` all of them, ``checkpoint`` lets a killed run continue, ``quality`` measures
the result on held-out text, ``saelens_folder`` writes it again for SAELens, and ``run`` ties these together.
"""

from circuitscope.config import TrainConfig
from circuitscope.dictionaries.training.quality import measure_quality
from circuitscope.dictionaries.training.run import train_dictionaries, try_training
from circuitscope.dictionaries.training.saelens_folder import write_saelens

__all__ = ["TrainConfig", "measure_quality", "train_dictionaries", "try_training", "write_saelens"]
