"""One frozen dataclass per stage. Each field's sentence is the command line's help and a form's label."""

from circuitscope.config.base import Config, ConfigType, Place, build, parse_bytes
from circuitscope.config.discover import DiscoverConfig
from circuitscope.config.evaluate import EvaluateConfig, SweepConfig
from circuitscope.config.train import TrainConfig

__all__ = [
    "Config",
    "ConfigType",
    "DiscoverConfig",
    "EvaluateConfig",
    "Place",
    "SweepConfig",
    "TrainConfig",
    "build",
    "parse_bytes",
]
