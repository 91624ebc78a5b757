"""Round trips: rendered people -> mesh and parameter files -> importer -> the same labels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmktn.evaluation import evaluate
from mmktn.surface import BodySurface, ChartAtlas, load_surface
from mmktn.surface.mesh_map import MeshMap
from mmktn.surface.shapes import point_weights
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample
from mmktn.synthetic.fit_files import read_fits
from mmktn.synthetic.fits_command import main
from mmktn.synthetic.mesh_labels import (
    ChartedMesh,
    FittedPerson,
    PinholeCamera,
    label_meshes,
)
from tests.command_line import refused


@pytest.fixture(scope="module")
def scene():
    """Two people who overlap, as the generator draws and labels them."""
    options = SceneOptions(people=(2, 2), occluder_rate=0, size_hw=(160, 128))
    return make_sample(GeneratorOptions(seed=3, scene=options), "train", 0)


@pytest.fixture(scope="module")
def fields(scene):
    """What a fit file says of the scene."""
    camera = scene.scene.camera
    extrinsics = np.eye(4)
    extrinsics[:3, :3] = (camera.rotation * [1, -1, -1]).T
    extrinsics[:3, 3] = -extrinsics[:3, :3] @ camera.position
    matrix = np.diag([camera.focal, camera.focal, 1.0])
    matrix[:2, 2] = camera.width / 2, camera.height / 2
    people = [person.figure.vertices for person in scene.labels.people]
    return {
        "imgname": np.array(["folder/a.jpg"] * len(people)),
        "vertices": np.stack(people),
        "cam_int": matrix,
        "cam_ext": extrinsics,
        "image_hw": np.array([[camera.height, camera.width]] * len(people)),
    }


def imported(folder, fields, *arguments):
    np.savez(folder / "fits.npz", **fields)
    out = folder / "out"
    assert main([str(folder / "fits.npz"), "--out", str(out), *map(str, arguments)]) == 0
    with np.load(out / "dense" / "a.npz") as dense:
        maps = {name: dense[name] for name in dense.files}
    return maps, json.loads((out / "annotations.json").read_text())


def assert_same_maps(maps, scene):
    bodies = scene.labels.maps
    for name in ("instance", "chart"):
        np.testing.assert_array_equal(maps[name], getattr(bodies, name))
    for name in ("u", "v"):  # files may hold float32
        gap = np.abs(maps[name].astype(int) - getattr(bodies, name).astype(int))
        assert gap.max() <= 1


def test_vertices_give_the_labels_that_the_generator_gave(tmp_path, scene, fields):
    maps, content = imported(tmp_path, fields)
    dressed = scene.labels.outline != scene.labels.maps.instance
    bare = {name: np.where(dressed, 0, array) for name, array in maps.items()}
    assert_same_maps(bare, scene)
    first = content["annotations"][0]
    assert first["num_keypoints"] > 5
    truth = np.array(scene.records["coco"][1][0]["keypoints"]).reshape(-1, 3)
    found = np.array(first["keypoints"]).reshape(-1, 3)
    assert np.abs(found - truth)[:, :2].max() < 3
    assert len(first["dp_x"]) == len(first["dp_U"]) > 50


def test_imported_results_score_full_marks_on_their_annotations(tmp_path, fields):
    imported(tmp_path, fields)
    out = tmp_path / "out"
    scores = evaluate(out / "annotations.json", out / "results.json").values()
    assert scores["gps/AP"] == pytest.approx(1.0)
    turned = dict(fields)
    middle = fields["vertices"].mean(axis=1, keepdims=True)
    turned["vertices"] = (fields["vertices"] - middle) * [-1, 1, -1] + middle
    np.savez(tmp_path / "turned.npz", **turned)
    arguments = ["--annotations", out / "annotations.json", "--out", tmp_path / "turned"]
    assert main([str(a) for a in (tmp_path / "turned.npz", *arguments)]) == 0
    worse = evaluate(out / "annotations.json", tmp_path / "turned" / "results.json").values()
    assert worse["gps/AP"] < 0.2


def test_a_list_of_mesh_files_gives_the_same(tmp_path, fields):
    wanted, _ = imported(tmp_path, fields)
    entries = []
    for k, vertices in enumerate(fields["vertices"]):
        name = f"{k}.obj"
        (tmp_path / name).write_text("".join(f"v {x} {y} {z}\n" for x, y, z in vertices.tolist()))
        entry = {key: fields[key].tolist() for key in ("cam_int", "cam_ext")}
        entries.append({"image": "a.jpg", "mesh": name, "image_hw": [160, 128], **entry})
        entries[-1]["pose_cam"] = [0, 0, 0]  # of the mesh nothing is turned already
    (tmp_path / "fits.json").write_text(json.dumps(entries))
    assert main([str(tmp_path / "fits.json"), "--out", str(tmp_path / "again")]) == 0
    with np.load(tmp_path / "again" / "dense" / "a.npz") as dense:
        for name, array in wanted.items():
            np.testing.assert_array_equal(dense[name], array)


def write_model(file, body):
    """The human body in the form of an SMPL-X model file."""
    skeleton, shapes, count = body.skeleton, body.shapes, body.num_mesh_vertices
    np.savez(
        file,
        v_template=body.mesh.vertices,
        shapedirs=shapes.basis[:10, :count].transpose(1, 2, 0),
        posedirs=np.zeros((count, 3, 9 * (len(skeleton.joint_names) - 1))),
        J_regressor=point_weights(body.mesh.vertices, skeleton.joint_positions),
        weights=skeleton.weights,
        kintree_table=np.stack([skeleton.parents, np.arange(len(skeleton.parents))]),
        f=body.mesh.faces,
    )


def test_parameters_as_bedlam_writes_them_give_the_posed_body(tmp_path, fields):
    body = load_surface()
    write_model(tmp_path / "model.npz", body)
    joints = len(body.skeleton.joint_names)
    pose = np.zeros((joints, 3))
    pose[0] = [np.pi, 0.3, 0]  # upright in a camera whose y points down
    pose[body.skeleton.joint_index("left_elbow")] = [0, 0, 0.7]
    turns = Rotation.from_rotvec(pose).as_matrix()
    own = body.skeleton.pose(body.mesh.vertices, turns)
    shift = np.array([0.1, -0.85, 4.0])
    made = {key: fields[key][:1] for key in ("imgname", "image_hw")}
    bedlam = made | {
        "pose_cam": pose.reshape(1, -1),
        "shape": np.zeros((1, 10)),
        "trans_cam": shift[None] - [[0, 0, 1.0]],
        "cam_int": fields["cam_int"][None],
        "cam_ext": np.array([[[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1.0], [0, 0, 0, 1]]]),
    }
    maps, _ = imported(tmp_path, bedlam, "--model", tmp_path / "model.npz")
    plain = made | {"vertices": (own + shift)[None], "cam_int": fields["cam_int"]}
    wanted, _ = imported(tmp_path, plain, "--overwrite")
    assert (wanted["chart"] > 0).sum() > 500
    assert (maps["chart"] != wanted["chart"]).mean() < 1e-3
    assert np.abs(maps["u"].astype(int) - wanted["u"])[maps["chart"] == wanted["chart"]].max() < 40


def test_smpl_and_a_mapped_mesh_use_the_base_charts(tmp_path, fields):
    """6890 vertices of the official base mesh stand here for SMPL: a surface that has only them."""
    body = load_surface()
    base = replace_atlas(body)
    person = FittedPerson(
        fields["vertices"][0] @ fields["cam_ext"][:3, :3].T + fields["cam_ext"][:3, 3],
        PinholeCamera(fields["cam_int"], (160, 128)),
    )
    plain = label_meshes([person], ChartedMesh.of(body, body.num_mesh_vertices))
    again = label_meshes([person], ChartedMesh.of(base, body.num_mesh_vertices))
    np.testing.assert_array_equal(plain.maps.chart, again.maps.chart)
    assert (again.keypoints == 0).all()
    order = np.random.default_rng(0).permutation(body.num_mesh_vertices)
    np.save(tmp_path / "ids.npy", np.argsort(order))
    shuffled = replace(person, vertices=person.vertices[order])
    mesh = ChartedMesh.of(body, len(order), MeshMap.read(tmp_path / "ids.npy"))
    np.testing.assert_array_equal(label_meshes([shuffled], mesh).maps.chart, plain.maps.chart)


def replace_atlas(body):
    """A surface of more vertices whose base mesh is the body."""
    fine = ChartAtlas([0, 1, 99_999], [1, 1, 1], u=[0, 0, 1], v=[0, 1, 1], faces=np.zeros((0, 3)))
    return BodySurface(fine, 100_000, name="official", base_atlas=body.atlas)


def test_a_hidden_person_has_no_record_and_no_result(tmp_path, fields):
    behind = dict(fields)
    first = fields["vertices"][0]
    eye = -fields["cam_ext"][:3, :3].T @ fields["cam_ext"][:3, 3]
    behind["vertices"] = np.stack([first, eye + 1.5 * (first - eye)])
    maps, content = imported(tmp_path, behind)
    assert set(np.unique(maps["instance"])) == {0, 1}
    assert len(content["annotations"]) == 1
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())) == 1


BAD = {
    "no names": ({"imgname": None}, "no array 'imgname'"),
    "no camera": ({"cam_int": None}, "entry 0: no camera"),
    "no body": ({"vertices": None}, "entry 0: no vertices"),
    "other rows": ({"vertices": np.zeros((5, 7151, 3))}, "need 2 rows"),
    "not finite": ({"vertices": np.full((2, 7151, 3), np.nan)}, "finite"),
    "other mesh": ({"vertices": np.ones((2, 77, 3))}, "77 vertices"),
    "mirrored camera": ({"cam_int": np.diag([-100.0, 100, 1])}, "fx, fy > 0"),
    "behind": ({"cam_ext": np.diag([1.0, 1, -1, 1])}, "behind the camera"),
    "no size": ({"image_hw": None}, "size of 'folder/a.jpg' is unknown"),
    "huge": ({"image_hw": np.full((2, 2), 10**6)}, "no image size"),
    "objects": ({"imgname": np.array([None, None])}, "fits.npz"),
    "parameters": ({"vertices": None, "pose": np.zeros((2, 72))}, "--model"),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_cannot_be_used_are_one_line_and_nothing_is_written(tmp_path, fields, case):
    changes, match = BAD[case]
    arrays = {k: v for k, v in (fields | changes).items() if v is not None}
    if case == "behind":
        arrays["vertices"] = fields["vertices"] + [0, 0, 50.0]
    np.savez(tmp_path / "fits.npz", **arrays)
    refused(main, [tmp_path / "fits.npz", "--out", tmp_path / "out"], match)
    assert not (tmp_path / "out").exists()


def test_outputs_take_the_place_of_nothing(tmp_path, fields):
    imported(tmp_path, fields)
    arguments = [tmp_path / "fits.npz", "--out", tmp_path / "out"]
    refused(main, arguments, "--overwrite")
    (tmp_path / "names.json").write_text('{"images": [{"id": 7, "file_name": "b.jpg"}]}')
    refused(main, [*arguments, "--annotations", tmp_path / "names.json"], "image 0 needs whole")


def test_images_of_the_annotations_are_named_once_and_have_a_size(tmp_path, fields):
    np.savez(tmp_path / "fits.npz", **fields | {"imgname": np.array(["a/1.jpg", "b/1.jpg"])})
    people = {"categories": [{"id": 1, "name": "person"}]}
    for height, line in ((160, "stand for one image"), (10**8, "image 0 has 128 x 100000000")):
        image = {"id": 7, "file_name": "1.jpg", "height": height, "width": 128}
        (tmp_path / "names.json").write_text(json.dumps({"images": [image], **people}))
        flags = ["--annotations", tmp_path / "names.json", "--out", tmp_path / "out"]
        refused(main, [tmp_path / "fits.npz", *flags], line)
    assert not (tmp_path / "out").exists()


def test_python_asks_for_one_person_after_the_other(tmp_path, fields):
    np.savez(tmp_path / "fits.npz", **fields)
    fits = read_fits(tmp_path / "fits.npz")
    assert fits.images == {"folder/a.jpg": [0, 1]}
    person = fits.person(1, (160, 128))
    x, y, depth = person.camera.project(person.vertices).mean(axis=0)
    assert depth > 1
    assert 0 < x < 128
    assert 0 < y < 160
