import numpy as np
import pytest

from mmktn.surface.reference_mesh import body_mesh_name
from mmktn.synthetic.sample import GeneratorOptions, load_template, make_sample
from mmktn.synthetic.scene import SceneOptions

SMALL = SceneOptions(size_hw=(128, 96), people=(1, 3))


def test_splits_and_seeds_differ():
    pictures = [
        make_sample(GeneratorOptions(seed=seed, scene=SMALL), split, 0).picture
        for seed, split in ((3, "train"), (3, "val"), (4, "train"))
    ]
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[0] != pictures[2]).any()


def test_fraction_without_dense_pose_lacks_all_dp_fields():
    options = GeneratorOptions(scene=SMALL, annotated_fraction=0.0)
    for annotation in make_sample(options, "train", 0).records["coco"][1]:
        assert not [key for key in annotation if key.startswith("dp_")]
    some = GeneratorOptions(scene=SMALL, annotated_fraction=0.5)
    have = ["dp_x" in a for i in range(5) for a in make_sample(some, "train", i).records["coco"][1]]
    assert 0 < sum(have) < len(have)


def test_vertices_of_points_are_beside_what_the_renderer_saw():
    mesh = load_template("human").mesh
    lengths = np.linalg.norm(np.diff(mesh.vertices[mesh.edges], axis=1)[:, 0], axis=1)
    sample = make_sample(GeneratorOptions(scene=SMALL), "train", 0)
    gaps = []
    for raster, person in zip(sample.labels.rasters, sample.records["coco"][1], strict=True):
        assert person["ref_model"] == body_mesh_name()
        (x0, y0, width, height) = person["bbox"]
        x = (x0 + np.array(person["dp_x"]) * width / 256).astype(int)
        y = (y0 + np.array(person["dp_y"]) * height / 256).astype(int)
        corners = mesh.vertices[mesh.faces[raster.face_ids[y, x]]]
        seen = np.einsum("pk,pkc->pc", raster.barycentric[y, x], corners)
        gaps.append(np.linalg.norm(mesh.vertices[person["dp_vertex"]] - seen, axis=1))
    found = np.concatenate(gaps)
    assert len(found) > 50
    assert found.max() <= lengths.max()
    assert np.median(found) <= np.median(lengths)


def test_crowd_mode_spreads_over_easy_medium_and_hard():
    options = GeneratorOptions(
        scene=SceneOptions(size_hw=(128, 112), people=(2, 4)), crowd=True, formats=("crowdpose",)
    )
    index = [
        make_sample(options, "train", i).records["crowdpose"][0]["crowdIndex"] for i in range(6)
    ]
    # Ten draws are given to every image; one of six may still miss its range.
    hits = [index[0::3], index[1::3], index[2::3]]
    right = sum(i <= 0.1 for i in hits[0]) + sum(0.2 <= i <= 0.8 for i in hits[1])
    assert right + sum(i >= 0.8 for i in hits[2]) >= 5


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"formats": ("voc",)}, "formats"),
        ({"formats": ()}, "formats"),
        ({"annotated_fraction": 1.2}, "annotated_fraction"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_options_are_named(values, text):
    with pytest.raises(ValueError, match=text):
        GeneratorOptions(**values)


def test_unknown_split_is_named():
    with pytest.raises(ValueError, match="test"):
        make_sample(GeneratorOptions(), "test", 0)
