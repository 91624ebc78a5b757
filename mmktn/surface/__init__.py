"""The body template: mesh, 24 charts, mirror maps, geodesic distances, skeleton, relations.

numpy and scipy only; potpourri3d and pygeodesic are asked for where they are used.
"""

from mmktn.surface.atlas import ChartAtlas
from mmktn.surface.body_points import BodyPoints, body_points
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.geodesic import GeodesicTable
from mmktn.surface.io import load_surface
from mmktn.surface.linear_model import LinearBodyModel
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.mesh_map import MeshMap
from mmktn.surface.parts import CHART_NAMES
from mmktn.surface.skeleton import SyntheticSkeleton
from mmktn.surface.symmetry import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, ChartSymmetry

__all__ = [
    "CHART_FLIP",
    "CHART_NAMES",
    "COARSE_FLIP",
    "KEYPOINT_FLIP",
    "BodyPoints",
    "BodySurface",
    "ChartAtlas",
    "ChartSymmetry",
    "GeodesicTable",
    "LinearBodyModel",
    "MeshMap",
    "SurfaceMesh",
    "SyntheticSkeleton",
    "body_points",
    "load_surface",
]
