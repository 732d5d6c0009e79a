"""One frozen dataclass per stage. Each field's sentence is the command line's help and a form's label."""

from circuitscope.config.base import (
    ComputeConfig,
    Config,
    ConfigType,
    WorkersConfig,
    build,
    parse_bytes,
    part_of,
    settings_from,
)
from circuitscope.config.behaviours import (
    BehavioursClusterConfig,
    BehavioursContextsConfig,
    BehavioursVectorsConfig,
    ClusterSettings,
    ContextSearch,
    VectorSettings,
)
from circuitscope.config.check import CheckConfig
from circuitscope.config.demo import DemoConfig
from circuitscope.config.discover import (
    TRUNCATE,
    DiscoverConfig,
    DiscoverySettings,
    refuse_bundled_dictionaries,
)
from circuitscope.config.effects import MOST_POINTS, EffectsConfig
from circuitscope.config.evaluate import AblationConfig, EvaluateConfig, SweepConfig
from circuitscope.config.group import GroupConfig
from circuitscope.config.prune import PruneConfig
from circuitscope.config.report import ERRORS_IN_PICTURE, SHORTEST_CONTEXT, ReportConfig
from circuitscope.config.shift import (
    JUDGES,
    LabelledData,
    ShiftApplyConfig,
    ShiftCompareConfig,
    ShiftDemoConfig,
    ShiftDictionariesConfig,
    ShiftEffectsConfig,
    ShiftEvaluateConfig,
    ShiftJudgeConfig,
    ShiftRetrainConfig,
    ShiftTrainConfig,
)
from circuitscope.config.train import TrainConfig

__all__ = [
    "ERRORS_IN_PICTURE",
    "JUDGES",
    "MOST_POINTS",
    "SHORTEST_CONTEXT",
    "TRUNCATE",
    "AblationConfig",
    "BehavioursClusterConfig",
    "BehavioursContextsConfig",
    "BehavioursVectorsConfig",
    "CheckConfig",
    "ClusterSettings",
    "ComputeConfig",
    "Config",
    "ConfigType",
    "ContextSearch",
    "DemoConfig",
    "DiscoverConfig",
    "DiscoverySettings",
    "EffectsConfig",
    "EvaluateConfig",
    "GroupConfig",
    "LabelledData",
    "PruneConfig",
    "ReportConfig",
    "ShiftApplyConfig",
    "ShiftCompareConfig",
    "ShiftDemoConfig",
    "ShiftDictionariesConfig",
    "ShiftEffectsConfig",
    "ShiftEvaluateConfig",
    "ShiftJudgeConfig",
    "ShiftRetrainConfig",
    "ShiftTrainConfig",
    "SweepConfig",
    "TrainConfig",
    "VectorSettings",
    "WorkersConfig",
    "build",
    "parse_bytes",
    "part_of",
    "refuse_bundled_dictionaries",
    "settings_from",
]
