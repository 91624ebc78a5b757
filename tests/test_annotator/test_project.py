import numpy as np
import pytest

from mmktn.annotator.coco import write_export
from mmktn.annotator.hidden import true_places
from mmktn.annotator.part_maps import decode_runs, encode_runs
from mmktn.annotator.photos import Photos
from mmktn.annotator.project import Project
from mmktn.annotator.proposals import ProposedPerson
from mmktn.annotator.store import FINAL, MAIN, SECOND, LeaseError, NothingToUndoError, Store
from mmktn.utils.user_error import UserError
from tests.test_annotator.conftest import ANN, BEN, click_all, four_parts


class ModelOfTests:
    """Finds one person, the upper half of its box part 1, the lower part 3."""

    name = "model of the tests"

    def people(self, image, box=None):
        parts = np.full((256, 256), 3, np.uint8)
        parts[:128] = 1
        return [ProposedPerson(box or (20.0, 20.0, 60.0, 80.0), parts)]


def test_points_are_at_most_14_a_part_and_lie_on_it(project, labelled):
    points = project.store.value(labelled, MAIN, "points")
    grid = decode_runs(four_parts(), 4)
    assert [sum(p["part"] == k for p in points) for k in range(5)] == [0, 14, 14, 14, 14]
    assert all(grid[int(p["y"]), int(p["x"])] == p["part"] for p in points)
    assert len({p["id"] for p in points}) == 56


def test_new_parts_get_points_and_old_points_keep_their_clicks(project, labelled):
    click_all(project, ANN, labelled)
    before = {p["id"]: p for p in project.store.value(labelled, MAIN, "points")}
    grid = decode_runs(four_parts(), 4)
    grid[grid == 2] = 0
    project.set_parts(ANN, labelled, encode_runs(grid), "drawn")
    project.make_points(ANN, labelled)
    kept = {p["id"] for p in project.store.value(labelled, MAIN, "points")}
    assert kept == {k for k, p in before.items() if p["part"] != 2}
    assert {int(e.key) for e in project.store.entries(labelled, MAIN, "click")} == kept
    project.set_parts(ANN, labelled, four_parts(), "drawn")
    new = project.make_points(ANN, labelled)
    assert len(new) == 56
    assert not {p["id"] for p in new if p["part"] == 2} & set(before)
    for _ in range(4):
        project.undo(ANN, labelled, MAIN)
    assert project.person(labelled)["points"] == list(before.values())
    assert len(project.person(labelled)["clicks"]) == 56


def test_a_click_gives_the_place_in_all_views(project, labelled):
    point = project.store.value(labelled, MAIN, "points")[0]
    views = project.body.views(point["part"])
    found = project.place(ANN, labelled, MAIN, point["id"], 0, 32.5, 32.5)
    picked = views.pick(0, 32.5, 32.5)
    assert (found["I"], found["vertex"]) == (picked.chart, picked.vertex)
    places, seen = views.find(picked.position)
    np.testing.assert_allclose([p[:2] for p in found["places"]], places, atol=0.01)
    assert [p[2] for p in found["places"]] == seen.tolist()
    saved = project.store.value(labelled, MAIN, "click", str(point["id"]))
    assert saved["I"] == picked.chart
    assert saved["U"] == pytest.approx(picked.u, abs=1e-6)


@pytest.mark.parametrize(
    ("point", "view", "x", "y"),
    [(0, 0, 0.5, 0.5), (0, 6, 9, 9), (0, -1, 9, 9), (999, 0, 32, 32), ("0", 0, 32, 32),
     (0, 0, float("nan"), 9), (0, 0, 64, 9), (0, 0, None, 9), (0, 1.5, 9, 9), (True, 0, 32, 32),
     (0, 0, 10**400, 9)],
)  # fmt: skip
def test_clicks_that_hit_nothing_save_nothing(project, labelled, point, view, x, y):
    with pytest.raises(UserError):
        project.place(ANN, labelled, MAIN, point, view, x, y)
    assert project.store.entries(labelled, MAIN, "click") == []


def test_a_mirrored_point_is_warned_of_and_its_neighbours_are_shown(project, labelled):
    """The points of one part go to its upper rim; one of them to the mirrored place."""
    body, ring = project.body, project.body.surface
    points = project.store.value(labelled, MAIN, "points")
    front = int(np.argmax(ring.mesh.vertices @ [1.0, 0.6, 0.4]))
    near = np.argsort(ring.geodesics.distance(front, np.arange(ring.num_mesh_vertices)))[:14]
    for point, vertex in zip([p for p in points if p["part"] == 1], near.tolist(), strict=True):
        value = {"I": 1, "U": 0.5, "V": 0.5, "vertex": vertex}
        project.store.write(ANN, labelled, MAIN, [("click", str(point["id"]), value)])
    chosen = points[0]["id"]
    guard = project.guard(labelled, MAIN, chosen)
    assert guard["warning"] is None
    assert len(guard["neighbours"]) == 3
    mirrored = int(ring.vertex_mirror[near[0]])
    value = {"I": 2, "U": 0.5, "V": 0.5, "vertex": mirrored}
    project.store.write(ANN, labelled, MAIN, [("click", str(chosen), value)])
    guard = project.guard(labelled, MAIN, chosen)
    assert guard["warning"].startswith("Left and right?")
    other = next(n for n in guard["neighbours"])
    vertex = project.store.value(labelled, MAIN, "click", str(other["id"]))["vertex"]
    exact = 100 * float(body.surface.geodesics.distance(mirrored, vertex))
    assert other["cm"] == pytest.approx(exact, abs=0.06)


def test_a_moved_box_moves_no_point_in_the_photo(project, labelled):
    click_all(project, ANN, labelled, only=3)
    _, before = project.placed(labelled, MAIN)
    x = np.array([p["x"] for p in project.store.value(labelled, MAIN, "points")])
    project.set_box(ANN, labelled, [5, 0, 120, 110])
    after = np.array([p["x"] for p in project.store.value(labelled, MAIN, "points")])
    np.testing.assert_allclose(5 + after * 120 / 256, 10 + x * 100 / 256, atol=1e-2)
    assert len(project.placed(labelled, MAIN)[0]) == len(before) == 3
    project.set_box(ANN, labelled, [60, 10, 50, 100])  # the right half
    assert {p["part"] for p in project.store.value(labelled, MAIN, "points")} == {1, 4}
    project.undo(ANN, labelled, MAIN)
    assert len(project.store.value(labelled, MAIN, "points")) == 56


def test_proposals_are_marked_and_so_are_their_corrections(project):
    project.proposer = ModelOfTests()
    (person,) = project.propose_people(1)
    assert project.propose_people(1) == []  # drawn already
    value = project.store.value(person, MAIN, "parts")
    assert (value["source"], value["model"]) == ("model", "model of the tests")
    assert project.store.entries(person, MAIN, "box")[0].annotator == "model: model of the tests"
    project.open_person(ANN, person)
    grid = decode_runs(value["runs"], 4)
    grid[0, :10] = 2
    project.set_parts(ANN, person, encode_runs(grid), "model, corrected")
    value = project.store.value(person, MAIN, "parts")
    assert (value["source"], value["corrected_cells"]) == ("model, corrected", 10)
    project.set_parts(ANN, person, four_parts(), "drawn")
    assert "model" not in project.store.value(person, MAIN, "parts")
    project.propose_parts(ANN, person)
    project.undo(ANN, person, MAIN)
    assert project.store.value(person, MAIN, "parts")["source"] == "drawn"


def test_undo_of_a_box_takes_the_person_out(project, tmp_path):
    person = project.add_person(ANN, 1, [10, 10, 100, 100])
    project.set_parts(ANN, person, four_parts(), "drawn")
    assert project.undo(ANN, person, MAIN)["parts"] is None
    assert project.undo(ANN, person, MAIN) is None
    assert project.photo(1)["people"] == []
    assert write_export(project, tmp_path / "labels.json") == (0, [])


def test_a_person_that_others_labelled_stays(project):
    person = project.add_person(ANN, 1, [10, 10, 100, 100])
    project.store.release(ANN, person, MAIN)
    project.open_person(BEN, person)
    project.set_parts(BEN, person, four_parts(), "drawn")
    project.store.release(BEN, person, MAIN)
    project.open_person(ANN, person)
    with pytest.raises(NothingToUndoError, match="others"):
        project.undo(ANN, person, MAIN)
    assert project.person(person)["box"] == [10, 10, 100, 100]


def test_who_draws_while_the_model_looks_is_not_doubled(project):
    class SlowModel(ModelOfTests):
        def people(self, image, box=None):
            project.add_person(ANN, 1, [20, 20, 60, 80])
            return super().people(image, box)

    project.proposer = SlowModel()
    assert project.propose_people(1) == []


def test_without_a_model_nothing_is_proposed(project):
    with pytest.raises(UserError, match="--model"):
        project.propose_people(1)


def test_keypoints_are_checked(project, labelled):
    project.set_keypoint(ANN, labelled, "left_end", [30.25, 40, 2])
    assert project.person(labelled)["keypoints"] == {"left_end": [30.25, 40.0, 2]}
    for name, place in [("nose", [1, 1, 2]), ("left_end", [1, 1, 0]), ("left_end", [-1, 1, 2]),
                        ("left_end", [1, 1]), ("left_end", [float("nan"), 1, 2])]:  # fmt: skip
        with pytest.raises(UserError):
            project.set_keypoint(ANN, labelled, name, place)


def test_two_annotators_get_different_tasks(project):
    assert project.next_task(ANN) == {"photo": 1, "person": None, "layer": MAIN}
    assert project.next_task(BEN) == {"photo": 2, "person": None, "layer": MAIN}
    person = project.add_person(ANN, 1, [10, 10, 50, 50])
    assert project.next_task(ANN)["person"] == person
    assert project.next_task(BEN)["person"] is None
    with pytest.raises(LeaseError):
        project.open_person(BEN, person)


def test_a_finished_person_goes_to_a_second_annotator_and_is_adjudicated(project, labelled):
    click_all(project, ANN, labelled)
    project.set_stage(ANN, labelled, MAIN, "done")
    for photo in (1, 2, 3):
        project.finish_boxes(ANN, photo, True)
    assert project.next_task(ANN) is None
    task = project.next_task(BEN)
    assert task == {"photo": 1, "person": labelled, "layer": SECOND}
    with pytest.raises(UserError, match="somebody else"):
        project.open_person(ANN, labelled, SECOND)
    seen = project.open_person(BEN, labelled, SECOND)
    assert seen["clicks"] == {}  # Ben does not see what Ann did
    click_all(project, BEN, labelled, SECOND, shift=150)
    found = project.disagreements()
    assert len(found["points"]) == 56
    worst = found["points"][0]
    assert (worst["main"], worst["second"]) == ("Ann", "Ben")
    ends = [
        project.store.value(labelled, layer, "click", str(worst["point"]))["vertex"]
        for layer in (MAIN, SECOND)
    ]
    exact = float(project.body.surface.geodesics.distance(*ends))
    assert worst["cm"] == pytest.approx(100 * exact, abs=0.06)
    assert worst["cm"] >= found["mean_cm"] > 0
    assert project.disagreement_picture().startswith(b"\x89PNG")
    project.decide(ANN, labelled, worst["point"], SECOND)
    assert project.store.value(labelled, FINAL, "click", str(worst["point"]))["vertex"] == ends[1]


def test_hidden_pictures_come_by_what_each_annotator_has_finished(project):
    """One after two people, whichever layer they were finished in."""
    project.add_hidden(1)
    people = []
    for photo in (1, 2):
        person = project.add_person(ANN, photo, [10, 10, 100, 100])
        project.set_parts(ANN, person, four_parts(), "drawn")
        project.make_points(ANN, person)
        click_all(project, ANN, person, only=1)
        people.append(person)
    for person in people:
        assert project.next_task(ANN)["layer"] == MAIN
        project.set_stage(ANN, person, MAIN, "done")
    assert project.next_task(ANN)["layer"] == "by Ann"
    for photo, person in enumerate(people, start=1):
        assert project.next_task(BEN) == {"photo": photo, "person": person, "layer": SECOND}
        project.open_person(BEN, person, SECOND)
        project.set_stage(BEN, person, SECOND, "done")
    assert project.next_task(BEN)["layer"] == "by Ben"


def test_hidden_pictures_are_no_photos_where_labels_lie_among_the_photos(
    tmp_path, photo_folder, ring_body
):
    store = Store(photo_folder / "labels.mmktn.sqlite", durable=False)
    project = Project(store, Photos([photo_folder]), ring_body)
    project.add_hidden(1)
    assert Photos([photo_folder]).names == ["a.png", "b.png", "sub/c.png"]
    again = Project(store, Photos([photo_folder]), ring_body)
    assert len(again.overview()["photos"]) == 3
    assert again.photos.size("hidden-0000.jpg") == (480, 480)
    store.close()


def test_hidden_pictures_measure_annotators_against_the_truth(project):
    project.add_hidden(1)
    assert [row["name"] for row in project.overview()["photos"]] == ["a.png", "b.png", "sub/c.png"]
    for photo in (1, 2, 3):
        project.finish_boxes(ANN, photo, True)
    task = project.next_task(ANN)
    person, layer = task["person"], task["layer"]
    assert layer == "by Ann"
    assert project.photo(task["photo"], ANN)["name"] == f"picture {task['photo']}"
    project.open_person(ANN, person, layer)
    with pytest.raises(UserError, match="not yours"):
        project.open_person(BEN, person, layer)
    points = project.store.value(person, MAIN, "points")
    box = tuple(project.store.value(person, MAIN, "box"))
    true = true_places(project._truth(0), points, box, project.body)
    assert (true >= 0).all()
    parts = project.body.scheme.vertex_parts(project.body.surface)
    # The truth is that of the part that is asked for, but for vertices on seams.
    assert np.mean(parts[true] == [p["part"] for p in points]) > 0.75
    geodesics = project.body.surface.geodesics
    for point, vertex in zip(points, true.tolist(), strict=True):
        value = {"I": 1, "U": 0.0, "V": 0.0, "vertex": vertex}
        project.store.write(ANN, person, layer, [("click", str(point["id"]), value)])
    assert project.quality()[0]["mean_cm"] == 0
    off = int(np.argmax(geodesics.distance(true[0], np.arange(geodesics.num_vertices))))
    value = {"I": 1, "U": 0.0, "V": 0.0, "vertex": off}
    project.store.write(ANN, person, layer, [("click", str(points[0]["id"]), value)])
    (row,) = project.quality()
    expected = 100 * float(geodesics.distance(true[0], off)) / len(points)
    assert row["mean_cm"] == pytest.approx(expected, abs=0.01)
    assert row["points"] == len(points)
    assert project.quality_picture("Ann").startswith(b"\x89PNG")
    with pytest.raises(UserError, match="Ben has placed no point"):
        project.quality_picture("Ben")


def test_a_project_keeps_to_its_body(project, tmp_path):
    from mmktn.annotation.body_parts import scheme_for
    from mmktn.annotator.body import Body

    other = Body(project.body.surface, scheme_for(project.body.surface), view_size=64)
    project.store.close()
    with pytest.raises(UserError, match="another body or other parts"):
        Project(Store(project.store.path), Photos(project.photos.folders), other)


def test_opening_again_shows_what_was_there(project, labelled, ring_body):
    click_all(project, ANN, labelled, only=5)
    before = project.person(labelled)
    project.store.close()
    again = Project(Store(project.store.path), Photos(project.photos.folders), ring_body)
    assert again.person(labelled) == before
    assert len(before["clicks"]) == 5
    again.store.close()
    project.store = Store(project.store.path)
