import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from tests.test_evaluation import reference_cases
from tests.test_evaluation.builders import World
from tests.tool_modules import tool_module

_oracle = tool_module("projects/oracle/oracle.py")
ALL_SUBSTITUTIONS = _oracle.ALL_SUBSTITUTIONS
PUBLISHED_SUBSTITUTIONS = _oracle.PUBLISHED_SUBSTITUTIONS
RawHeads, Substitution = _oracle.RawHeads, _oracle.Substitution
evaluate_oracle, sample_bilinear = _oracle.evaluate_oracle, _oracle.sample_bilinear
nearest_person_pixels = _oracle.nearest_person_pixels

FULL = "mask+surface+v+u"


@pytest.fixture(scope="module")
def surface():
    return reference_cases.reference_surface()


@pytest.fixture(scope="module")
def spoiled():
    world = World(6, grid=256.0)
    rng = np.random.default_rng(0)
    maps = []
    for iuv in world.maps:
        bad = iuv.copy()
        bad[1:] = np.clip(bad[1:] + rng.normal(0, 60, bad[1:].shape), 0, 255)
        wrong = rng.random(bad.shape[1:]) < 0.3
        bad[0, wrong] = rng.integers(0, 25, wrong.sum())
        maps.append(bad)
    return world, world.detections(maps=maps)


@pytest.fixture(scope="module")
def table(spoiled, surface):
    world, detections = spoiled
    return evaluate_oracle(world.truth(), detections, surface, protocol="clean")


def gps(scores):
    return np.concatenate([p.similarities["gps"].ravel() for p in scores.pairs])


def test_every_combination_has_a_name_of_its_own():
    assert len({s.name for s in ALL_SUBSTITUTIONS}) == 16
    assert PUBLISHED_SUBSTITUTIONS[0].name == "none"
    assert PUBLISHED_SUBSTITUTIONS[-1].name == FULL


def test_nothing_substituted_is_the_plain_score(table, spoiled, surface):
    world, detections = spoiled
    plain = evaluate_densepose(world.truth(), detections, surface, protocol="clean")
    assert table["none"].values() == plain.values()


def test_full_substitution_on_true_boxes_scores_one(table):
    for metric in ("gps", "gpsm", "iou"):
        assert table[FULL].values()[f"{metric}/AP"] == pytest.approx(1)


def test_the_table_is_monotone_where_it_must_be(table):
    # Person masks only turn misses into something; all of chart, U and V leaves no error in a box.
    for rest in ("", "+v", "+u", "+v+u"):
        without = gps(table[rest.removeprefix("+") or "none"])
        assert (gps(table[f"mask{rest}"]) >= without - 1e-12).all()
    best = gps(table["surface+v+u"])
    for scores in table.values():
        assert (gps(scores) <= best + 1e-12).all()
    assert np.array_equal(best, gps(table[FULL]))
    ap = {name: scores.values()["gps/AP"] for name, scores in table.items()}
    assert ap["none"] <= ap["mask"] <= ap[FULL]
    assert ap["none"] < ap["surface"] < ap[FULL]


def test_points_outside_the_box_stay_missed(surface):
    world = World(6, images=1, people=1, grid=256.0)
    box = list(world.boxes[0])
    half = [box[0], box[1], box[2], float(int(box[3]) // 2)]
    iuv = world.maps[0][:, : int(half[3])]
    scores = evaluate_oracle(
        world.truth(), world.detections(boxes_xywh=[half], maps=[iuv]), surface,
        substitutions=[PUBLISHED_SUBSTITUTIONS[-1]], protocol="clean",
    )[FULL]  # fmt: skip
    y = np.array(world.data["annotations"][0]["dp_y"])
    assert gps(scores)[0] == pytest.approx((y < 256 * half[3] / box[3]).mean())


def test_bilinear_samples_by_hand():
    row = np.array([[[0.0, 10.0]]])
    # 2 cells on 4 pixels: centres at -0.25 (clamped to 0), 0.25, 0.75, 1.25 (clamped) cells
    x = np.arange(4)
    found = sample_bilinear(row, x, np.zeros(4, dtype=int), output_hw=(1, 4))
    np.testing.assert_allclose(found[0], [0, 2.5, 7.5, 10])


def raw_of(rng):
    fine = rng.normal(size=(25, 8, 8))
    coarse = rng.normal(size=(2, 8, 8))
    return RawHeads(fine, coarse, rng.random((25, 8, 8)), rng.random((25, 8, 8)))


def decode(raw, height, width):
    y, x = (g.ravel() for g in np.indices((height, width)))
    hw = (height, width)
    fine = sample_bilinear(raw.fine_segm, x, y, output_hw=hw).argmax(axis=0)
    person = sample_bilinear(raw.coarse_segm, x, y, output_hw=hw).argmax(axis=0) > 0
    label = fine * person
    uv = [
        np.clip(sample_bilinear(m, x, y, output_hw=hw)[label, np.arange(len(x))] * 255, 0, 255)
        * (label > 0)
        for m in (raw.u, raw.v)
    ]
    return np.stack([label, *uv]).reshape(3, height, width).astype(np.uint8)


def test_raw_outputs_without_substitution_equal_the_decoded_result(surface):
    world = World(7, grid=256.0)
    rng = np.random.default_rng(1)
    raws = [raw_of(rng) for _ in world.maps]
    maps = [decode(r, *m.shape[1:]) for r, m in zip(raws, world.maps, strict=True)]
    detections = world.detections(maps=maps)
    plain = evaluate_densepose(
        world.truth(), detections, surface, protocol="clean", metrics=["gps"]
    )
    rows = [Substitution(), Substitution(mask=True), Substitution(surface=True)]
    table = evaluate_oracle(
        world.truth(), detections, surface, substitutions=rows, raw=raws.__getitem__,
        protocol="clean", metrics=["gps"],
    )  # fmt: skip
    np.testing.assert_allclose(gps(table["none"]), gps(plain), atol=1e-12)
    assert (gps(table["mask"]) >= gps(plain) - 1e-12).all()
    # The true chart reads its own U, V channel, which the decoded map no longer holds.
    assert gps(table["surface"]).mean() > gps(plain).mean()


def test_background_pixels_move_to_the_nearest_person_pixel():
    charts = np.zeros((5, 6), dtype=np.uint8)
    charts[2, 4] = 7
    x, y = nearest_person_pixels(charts, np.array([0, 4]), np.array([0, 2]))
    assert (x.tolist(), y.tolist()) == ([4, 4], [2, 2])
    empty_x, _ = nearest_person_pixels(charts * 0, np.array([3]), np.array([1]))
    assert empty_x.tolist() == [3]
