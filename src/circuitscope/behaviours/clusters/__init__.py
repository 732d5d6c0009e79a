"""Contexts that belong together because the model predicts their answers in the same way, found and measured.

The names are imported when first used: nothing here needs torch until words are read.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.behaviours.clusters.describe import ClusterJob as ClusterJob
    from circuitscope.behaviours.clusters.describe import clusters_of as clusters_of
    from circuitscope.behaviours.clusters.describe import groupings_of as groupings_of
    from circuitscope.behaviours.clusters.features import FeatureColumns as FeatureColumns
    from circuitscope.behaviours.clusters.find import find_clusters as find_clusters
    from circuitscope.behaviours.clusters.find import job_of as job_of
    from circuitscope.behaviours.clusters.find import label_agreement as label_agreement
    from circuitscope.behaviours.clusters.find import names_of as names_of
    from circuitscope.behaviours.clusters.find import unit_rows_of as unit_rows_of
    from circuitscope.behaviours.clusters.published import PublishedClusters as PublishedClusters
    from circuitscope.behaviours.clusters.published import export_clusters as export_clusters
    from circuitscope.behaviours.clusters.published import import_clusters as import_clusters
    from circuitscope.behaviours.clusters.scores import agreement as agreement
    from circuitscope.behaviours.clusters.trivial import TrivialGrouping as TrivialGrouping
    from circuitscope.behaviours.clusters.unit_rows import UnitRows as UnitRows

__all__ = [
    "ClusterJob",
    "FeatureColumns",
    "PublishedClusters",
    "TrivialGrouping",
    "UnitRows",
    "agreement",
    "clusters_of",
    "export_clusters",
    "find_clusters",
    "groupings_of",
    "import_clusters",
    "job_of",
    "label_agreement",
    "names_of",
    "unit_rows_of",
]

__getattr__ = lazily(
    __name__,
    {
        "ClusterJob": "describe",
        "FeatureColumns": "features",
        "PublishedClusters": "published",
        "TrivialGrouping": "trivial",
        "UnitRows": "unit_rows",
        "agreement": "scores",
        "clusters_of": "describe",
        "export_clusters": "published",
        "find_clusters": "find",
        "groupings_of": "describe",
        "import_clusters": "published",
        "job_of": "find",
        "label_agreement": "find",
        "names_of": "find",
        "unit_rows_of": "find",
    },
)
