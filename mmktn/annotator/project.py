"""What annotators can do with a project: the rules between the page and the file.

A person goes through the stages "parts", "points", "keypoints" and "done". Each method that changes
something is one action of the store: saved when it returns, undone as a whole.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.annotator_error import AnnotatedImage, measure_error
from mmktn.annotation.disagreement import Disagreement, measure_disagreement
from mmktn.annotation.error_picture import draw_vertex_values
from mmktn.annotation.neighbours import PlacedPoints
from mmktn.annotation.points import GRID, sample_part_map
from mmktn.annotator.body import Body, encode_png
from mmktn.annotator.hidden import render_hidden, save_hidden, true_places
from mmktn.annotator.part_maps import Box, checked_box, decode_runs, encode_runs, resample
from mmktn.annotator.photos import Photos
from mmktn.annotator.proposals import Proposer
from mmktn.annotator.store import (
    FINAL,
    MAIN,
    SECOND,
    Change,
    Entry,
    NothingToUndoError,
    Store,
    Worker,
    hidden_layer,
)
from mmktn.utils.user_error import UserError

STAGES = ("parts", "points", "keypoints", "done")
GENERATOR = "generator"
SOURCES = ("drawn", "model", "model, corrected")
VISIBILITIES = (1, 2)
_SHOWN_NEIGHBOURS = 3


@dataclass(frozen=True)
class Settings:
    """How the work is shared out.

    Attributes:
        second_share: Share of the people whose points a second annotator places, too.
        hidden_every: After how many people an annotator gets a hidden picture.
        surface_name: Argument of `load_surface` that gives the body; None: its default.
    """

    second_share: float = 0.1
    hidden_every: int = 5
    surface_name: str | None = None


class Project:
    """Photos, people and labels.

    Args:
        store: The file.
        photos: The pictures.
        body: What points are put on.
        settings: How the work is shared out.
        proposer: Model for boxes and parts; None: there is none.

    Raises:
        UserError: The file belongs to another body or other parts.
    """

    def __init__(
        self,
        store: Store,
        photos: Photos,
        body: Body,
        *,
        settings: Settings | None = None,
        proposer: Proposer | None = None,
    ) -> None:
        self.store, self.photos, self.body = store, photos, body
        self.settings, self.proposer = settings or Settings(), proposer
        known = store.meta("body")
        if known is None:
            store.set_meta("body", body.fingerprint)
        elif known != body.fingerprint:
            raise UserError(
                f"{store.path}: its labels are those of another body or other parts; give the same "
                "--surface and --parts as before, or another --out"
            )
        store.add_photos(photos.names)
        self._hidden_lock = threading.Lock()
        if self._hidden_pictures.is_dir():
            photos.add_folder(self._hidden_pictures)

    # -- reading

    def overview(self) -> dict[str, Any]:
        """Return what the list of photos shows: for each, its people and how many are finished."""
        people = self.store.people()
        stages = {e.person: e.value for e in self.store.entries(kind="stage") if e.layer == MAIN}
        drawn = self.drawn_photos()
        counts: dict[int, Counter[str]] = {}
        for person in people:
            stage = stages.get(person["id"], "parts")
            counts.setdefault(person["photo"], Counter())[stage] += 1
        at_work: dict[int, set[str]] = {}
        home = {person["id"]: person["photo"] for person in people}
        for (subject, _), annotator in self.store.leases().items():
            place = -subject if subject < 0 else home.get(subject)
            if place is not None:
                at_work.setdefault(place, set()).add(annotator)
        rows = []
        for number, photo in enumerate(self.store.photos(), start=1):
            if photo["hidden"]:
                continue
            stage_counts = counts.get(photo["id"], Counter())
            rows.append(
                {
                    "id": photo["id"],
                    "number": number,
                    "name": photo["name"],
                    "people": sum(stage_counts.values()),
                    "done": stage_counts["done"],
                    "boxes": photo["id"] in drawn,
                    "at_work": sorted(at_work.get(photo["id"], ())),
                }
            )
        return {"photos": rows, "time": self.store.time_spent()}

    def drawn_photos(self) -> set[int]:
        """Return the photos of which somebody has said that all their people have boxes."""
        return {-entry.person for entry in self.store.entries(kind="boxes")}

    def description(self) -> dict[str, Any]:
        """Return what does not change while the server runs: parts, keypoints, views."""
        scheme = self.body.scheme
        return {
            "subject": scheme.subject,
            "parts": [
                {"number": p.number, "name": p.name, "mirror": p.mirror} for p in scheme.parts
            ],
            "keypoints": list(scheme.keypoints),
            "view_size": self.body.view_size,
            "model": None if self.proposer is None else self.proposer.name,
        }

    def photo(self, photo: int, worker: Worker | None = None) -> dict[str, Any]:
        """Return a photo and its people, as the worker may see them."""
        record = self._photo(photo)
        people = [self.person(p["id"], self._layer_of(p, worker)) for p in self.store.people(photo)]
        name = record["name"]
        return {
            "id": photo,
            # The name of a hidden picture would tell what it is.
            "name": f"picture {photo}" if record["hidden"] else name,
            "width": record["width"],
            "height": record["height"],
            "levels": self.photos.num_levels(name),
            "people": people,
        }

    def person(self, person: int, layer: str = MAIN) -> dict[str, Any]:
        """Return a person as a layer has it: box, parts, points, clicks, keypoints, stage."""
        record = self.store.person(person)
        box, parts, points = (self.store.value(person, MAIN, k) for k in ("box", "parts", "points"))
        entries = self.store.entries(person, layer)
        clicks = {e.key: e.value for e in entries if e.kind == "click"}
        marks = {e.key: e.value for e in entries if e.kind == "keypoint"}
        stage = next((e.value for e in entries if e.kind == "stage"), None)
        return {
            "id": person,
            "photo": record["photo"],
            "layer": layer,
            "box": box,
            "parts": parts,
            "points": points or [],
            "clicks": clicks,
            "keypoints": marks,
            "stage": stage or ("parts" if layer == MAIN else "points"),
        }

    # -- step 1: boxes and parts

    def add_person(
        self, who: Worker, photo: int, box: Any, ticket: Any = None, *, seconds: float = 0.0
    ) -> int:
        """Draw a box around a new person; the worker holds its lease. Returns its id.

        A page that does not know whether its request arrived sends it again with the same `ticket`:
        one person is made.
        """
        if ticket is not None and (not isinstance(ticket, str) or len(ticket) > 60):
            raise UserError("ticket: a short word")
        record = self._photo(photo)
        if record["hidden"]:
            raise UserError("this picture has all its people already")
        kept = checked_box(box, (record["width"], record["height"]))
        with self.store.transaction():
            person = self.store.add_person(photo, ticket=ticket)
            self.store.lease(who, person, MAIN)
            if self.store.value(person, MAIN, "box") is None:
                self.store.write(who, person, MAIN, [("box", "", list(kept))], seconds=seconds)
        return person

    def set_box(self, who: Worker, person: int, box: Any, *, seconds: float = 0.0) -> Box:
        """Change a box; parts and points stay where they are in the photo."""
        record = self._photo(self.store.person(person)["photo"])
        if record["hidden"]:
            raise UserError("the box of this picture is given")
        new = checked_box(box, (record["width"], record["height"]))
        old = self._box(person)
        changes: list[Change] = [("box", "", list(new))]
        parts = self.store.value(person, MAIN, "parts")
        if parts is not None:
            grid = decode_runs(parts["runs"], len(self.body.scheme.parts))
            changes.append(("parts", "", {**parts, "runs": encode_runs(resample(grid, old, new))}))
        points = self.store.value(person, MAIN, "points")
        if points:
            moved = [{**p, **_moved(p, old, new)} for p in points]
            inside = [p for p in moved if 0 <= p["x"] <= GRID and 0 <= p["y"] <= GRID]
            changes.append(("points", "", inside))
            gone = {str(p["id"]) for p in moved} - {str(p["id"]) for p in inside}
            changes += self._without_clicks(person, gone)
        self.store.write(who, person, MAIN, changes, seconds=seconds)
        return new

    def set_parts(
        self, who: Worker, person: int, runs: Any, source: Any, *, seconds: float = 0.0
    ) -> None:
        """Save the map of parts, after every stroke."""
        if source not in SOURCES:
            raise UserError(f"source of parts: one of {', '.join(SOURCES)}")
        grid = decode_runs(runs, len(self.body.scheme.parts))
        value: dict[str, Any] = {"runs": encode_runs(grid), "source": source}
        before = self.store.value(person, MAIN, "parts")
        if source != "drawn" and before is not None and "proposal" in before:
            value["proposal"], value["model"] = before["proposal"], before["model"]
            proposal = decode_runs(before["proposal"], len(self.body.scheme.parts))
            value["corrected_cells"] = int((proposal != grid).sum())
        self.store.write(who, person, MAIN, [("parts", "", value)], seconds=seconds)

    def propose_people(self, photo: int) -> list[int]:
        """Let the model draw boxes and parts of people that nobody has drawn; returns their ids."""
        record = self._photo(photo)
        proposer = self._proposer()
        if record["hidden"]:
            return []
        found = proposer.people(self.photos.pixels(record["name"]))
        # Read after the model has looked, which takes seconds: others draw meanwhile.
        boxes = [self._box(p["id"]) for p in self.store.people(photo)]
        made = []
        for person in found:
            if any(_iou(person.box, box) > 0.5 for box in boxes):
                continue
            box = checked_box([float(n) for n in person.box], (record["width"], record["height"]))
            parts = self._proposed(resample(person.parts, person.box, box))
            entries = [("box", "", list(box)), ("parts", "", parts)]
            made.append(self._add_labelled(f"model: {proposer.name}", photo, entries))
        return made

    def propose_parts(self, who: Worker, person: int, *, seconds: float = 0.0) -> dict[str, Any]:
        """Let the model propose the parts of a person; returns the new value.

        It takes the place of what is drawn; undo brings that back.
        """
        record = self._photo(self.store.person(person)["photo"])
        box = self._box(person)
        image = self.photos.pixels(record["name"])
        (found,) = self._proposer().people(image, box)
        value = self._proposed(found.parts)
        self.store.write(who, person, MAIN, [("parts", "", value)], seconds=seconds)
        return value

    def remove_person(self, who: Worker, person: int) -> None:
        """Take a person out of the project."""
        if self._photo(self.store.person(person)["photo"])["hidden"]:
            raise UserError("the people of this picture are given")
        self.store.remove_person(who, person)

    def finish_boxes(self, who: Worker, photo: int, finished: Any) -> None:
        """Say whether every person of a photo has a box."""
        value = True if finished is True else None
        self.store.lease(who, -photo, MAIN)
        self.store.write(who, -photo, MAIN, [("boxes", "", value)])
        self.store.release(who, -photo, MAIN)

    # -- step 2: points

    def make_points(
        self, who: Worker, person: int, *, seconds: float = 0.0
    ) -> list[dict[str, Any]]:
        """Choose the points to ask for, from the parts; go to the next stage.

        Points whose part is still there stay, with their clicks; parts without points get some.
        """
        parts = self.store.value(person, MAIN, "parts")
        count = len(self.body.scheme.parts)
        grid = None if parts is None else decode_runs(parts["runs"], count)
        if grid is None or not grid.any():
            raise UserError("paint at least one part before points are chosen")
        points, changes = self._points_for(person, grid)
        changes.append(("stage", "", "points"))
        self.store.write(who, person, MAIN, changes, seconds=seconds)
        return points

    def _points_for(
        self, person: int, grid: NDArray[np.uint8]
    ) -> tuple[list[dict[str, Any]], list[Change]]:
        count = len(self.body.scheme.parts)
        before = self.store.value(person, MAIN, "points") or []
        kept = [p for p in before if int(grid[_cell(p)]) == p["part"]]
        covered = {p["part"] for p in kept}
        rng = np.random.default_rng([person, len(before)])
        open_parts = np.where(np.isin(grid, list(covered)), 0, grid)
        points = list(kept)
        if open_parts.any():
            sampled = sample_part_map(
                open_parts, rng=rng, box_xywh=(0, 0, GRID, GRID), num_parts=count
            )
            first = 1 + max((p["id"] for p in before), default=-1)
            for number, ((x, y), part) in enumerate(
                zip(sampled.grid_xy.tolist(), sampled.parts.tolist(), strict=True), start=first
            ):
                points.append({"id": number, "x": round(x, 3), "y": round(y, 3), "part": part})
        points.sort(key=lambda p: (p["part"], p["id"]))
        gone = {str(p["id"]) for p in before} - {str(p["id"]) for p in kept}
        return points, [("points", "", points), *self._without_clicks(person, gone)]

    def place(
        self,
        who: Worker,
        person: int,
        layer: str,
        point: Any,
        view: Any,
        x: Any,
        y: Any,
        *,
        seconds: float = 0.0,
    ) -> dict[str, Any]:
        """Put a point where a view was clicked; saved when this returns.

        Returns:
            The place, where it shows in all views, how far the neighbours are, and a warning.
        """
        asked = self._point(person, point)
        hit = self.preview(asked["part"], view, x, y)
        if hit is None:
            raise UserError("the click is beside the part")
        value = {k: hit[k] for k in ("I", "U", "V", "vertex")} | {"view": view, "x": x, "y": y}
        changes = [("click", str(asked["id"]), value)]
        self.store.write(who, person, layer, changes, seconds=seconds)
        return {**hit, **self.guard(person, layer, asked["id"])}

    def skip(
        self, who: Worker, person: int, layer: str, point: Any, *, seconds: float = 0.0
    ) -> None:
        """Say of a point that its place cannot be told."""
        asked = self._point(person, point)
        changes = [("click", str(asked["id"]), {"skip": True})]
        self.store.write(who, person, layer, changes, seconds=seconds)

    def preview(self, part: Any, view: Any, x: Any, y: Any) -> dict[str, Any] | None:
        """Find what a click would hit; nothing is saved."""
        if type(part) is not int or not 1 <= part <= len(self.body.scheme.parts):
            raise UserError(f"part {part!r}: there are 1 to {len(self.body.scheme.parts)}")
        if type(view) is not int or any(type(n) not in (int, float) for n in (x, y)):
            raise UserError("view is a whole number, x and y are numbers")
        return self.body.pick(part, view, x, y)

    def guard(self, person: int, layer: str, point: int) -> dict[str, Any]:
        """Compare a placed point with its neighbours.

        Returns:
            `neighbours` (id, pixels, cm), `expected_cm`, `warning` (text or None); without
            distances yet, no neighbours.
        """
        nothing: dict[str, Any] = {"neighbours": [], "expected_cm": None, "warning": None}
        if not self.body.has_distances:
            return nothing
        ids, placed = self.placed(person, layer)
        if point not in ids:
            return nothing
        index = ids.index(point)
        xy, part, vertex = placed.xy[index], int(placed.parts[index]), int(placed.vertices[index])
        fit = placed.fit(xy, part, vertex, without=index)
        warning = None
        if placed.sides_confused(xy, part, vertex, without=index):
            warning = "Left and right? The mirrored place fits the neighbours, this one does not."
        elif fit.is_far() and len(fit.neighbours) > 1:
            warning = "Far from its neighbours along the skin: look again."
        rows = zip(fit.neighbours, fit.pixels, fit.skin_m, strict=True)
        return {
            "neighbours": [
                {"id": ids[k], "pixels": round(float(p), 1), "cm": round(100 * float(m), 1)}
                for k, p, m in list(rows)[:_SHOWN_NEIGHBOURS]
            ],
            "expected_cm": None if np.isnan(fit.expected_m) else round(100 * fit.expected_m, 1),
            "warning": warning,
        }

    def placed(self, person: int, layer: str) -> tuple[list[int], PlacedPoints]:
        """Return the points of a person that have a place, with their ids."""
        box = self._box(person)
        points = {p["id"]: p for p in self.store.value(person, MAIN, "points") or []}
        clicks = {int(e.key): e.value for e in self.store.entries(person, layer, "click")}
        ids = [k for k, click in sorted(clicks.items()) if k in points and "vertex" in click]
        scale = np.array([box[2], box[3]]) / GRID
        xy = np.array([[points[k]["x"], points[k]["y"]] for k in ids], np.float64).reshape(-1, 2)
        parts = np.array([points[k]["part"] for k in ids], np.int64)
        vertices = np.array([clicks[k]["vertex"] for k in ids], np.int64)
        return ids, PlacedPoints(xy * scale, parts, vertices, self.body.surface)

    # -- step 3, stages, undo

    def set_keypoint(
        self, who: Worker, person: int, name: Any, place: Any, *, seconds: float = 0.0
    ) -> None:
        """Save a keypoint: `[x, y, visibility]` in pixels of the photo; None takes it away."""
        if name not in self.body.scheme.keypoints:
            raise UserError(f"keypoint {name!r}: {self.body.scheme.subject} has no such")
        record = self._photo(self.store.person(person)["photo"])
        if place is not None:
            fine = isinstance(place, list) and len(place) == 3 and place[2] in VISIBILITIES
            if not fine or not all(type(n) in (int, float) for n in place):
                raise UserError("a keypoint is [x, y, 1 (hidden) or 2 (visible)]")
            if not (0 <= place[0] <= record["width"] and 0 <= place[1] <= record["height"]):
                raise UserError("the keypoint lies outside the picture")
            place = [round(float(place[0]), 2), round(float(place[1]), 2), int(place[2])]
        self.store.write(who, person, MAIN, [("keypoint", name, place)], seconds=seconds)

    def set_stage(
        self, who: Worker, person: int, layer: str, stage: Any, *, seconds: float = 0.0
    ) -> None:
        """Go to a stage of a person."""
        if stage not in STAGES:
            raise UserError(f"stage: one of {', '.join(STAGES)}")
        if stage in STAGES[1:] and not self.store.value(person, MAIN, "points"):
            raise UserError("choose the points first")
        self.store.write(who, person, layer, [("stage", "", stage)], seconds=seconds)

    def undo(self, who: Worker, person: int, layer: str) -> dict[str, Any] | None:
        """Take back the last action; returns the person as it is now.

        Where that action had drawn the person, the person goes: None is returned.

        Raises:
            NothingToUndoError: Nothing is left to undo, or others have changed the same since.
            LeaseError: The worker does not hold the lease.
        """
        with self.store.transaction():
            self.store.undo(who, person, layer)
            if self.store.value(person, MAIN, "box") is not None:
                return self.person(person, layer)
            if self.store.entries(person):
                raise NothingToUndoError("others have labelled this person since it was drawn")
            self.store.remove_person(who, person)
        return None

    # -- who works on what

    def open_person(self, who: Worker, person: int, layer: str | None = None) -> dict[str, Any]:
        """Take the lease of a person and return the person."""
        record = self.store.person(person)
        own = self._layer_of(record, who)
        layer = layer or own
        if layer not in ((MAIN, SECOND, FINAL) if own == MAIN else (own,)):
            raise UserError(f"layer {layer!r} is not yours")
        if layer == SECOND and self._main_annotator(person) == who.annotator:
            raise UserError("a second opinion is somebody else's")
        self.store.lease(who, person, layer)
        return self.person(person, layer)

    def next_task(self, who: Worker) -> dict[str, Any] | None:
        """Find what the worker should do next: photo, person and layer; None when all is done."""
        store = self.store
        photos = {photo["id"]: photo for photo in store.photos()}
        people = store.people()
        leases = store.leases()
        entries = store.entries(kind="stage")
        stages = {(e.person, e.layer): e.value for e in entries}
        done = [e.layer for e in entries if e.value == "done" and e.annotator == who.annotator]
        own = hidden_layer(who.annotator)
        hidden = [
            p
            for p in people
            if photos[p["photo"]]["hidden"] and stages.get((p["id"], own)) != "done"
        ]
        begun = [p for p in hidden if store.entries(p["id"], own)]
        done_hidden = done.count(own)
        finished = len(done) - done_hidden
        due = hidden and finished >= (done_hidden + 1) * self.settings.hidden_every

        def free(person: int, layer: str) -> bool:
            return leases.get((person, layer), who.annotator) == who.annotator

        if begun or due:
            return _task((begun or hidden)[0], own)
        real = [p for p in people if not photos[p["photo"]]["hidden"]]
        mine = [p for p in real if leases.get((p["id"], MAIN)) == who.annotator]
        for person in [*mine, *real]:
            if stages.get((person["id"], MAIN)) != "done" and free(person["id"], MAIN):
                return _task(person, MAIN)
        for person in real:
            wanted = self.wants_second(person["id"]) and stages.get((person["id"], MAIN)) == "done"
            open_ = stages.get((person["id"], SECOND)) != "done" and free(person["id"], SECOND)
            if wanted and open_ and self._main_annotator(person["id"]) != who.annotator:
                return _task(person, SECOND)
        drawn = self.drawn_photos()
        for photo in photos.values():
            if not photo["hidden"] and photo["id"] not in drawn and free(-photo["id"], MAIN):
                store.lease(who, -photo["id"], MAIN)
                return {"photo": photo["id"], "person": None, "layer": MAIN}
        return _task(hidden[0], own) if hidden else None

    def wants_second(self, person: int) -> bool:
        """Whether a second annotator shall place a person's points; the same at every start."""
        digest = hashlib.sha256(f"second {person}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32 < self.settings.second_share

    # -- quality

    def add_hidden(self, count: int) -> None:
        """Render hidden pictures until there are so many (a second each)."""
        with self._hidden_lock:
            made = [p for p in self.store.photos() if p["hidden"]]
            for index in range(len(made), count):
                name = f"hidden-{index:04d}.jpg"
                picture = self._hidden_pictures / name
                rendered = render_hidden(self.body, self.settings.surface_name, index)
                save_hidden(rendered, picture, self._truth(index))
                self.photos.add_folder(self._hidden_pictures)
                grid = rendered.parts(self.body)
                entries = [
                    ("box", "", [float(n) for n in rendered.box]),
                    ("parts", "", {"runs": encode_runs(grid), "source": "drawn"}),
                ]
                with self.store.transaction():
                    self.store.add_photos([name], hidden=True)
                    photo = next(p["id"] for p in self.store.photos() if p["name"] == name)
                    person = self._add_labelled(GENERATOR, photo, entries, truth=index)
                    self.store.write(GENERATOR, person, MAIN, self._points_for(person, grid)[1])

    def quality(self) -> list[dict[str, Any]]:
        """Return each annotator's error on hidden pictures: points, mean, by part; best first.

        Raises:
            UserError: There are no distances (yet).
        """
        self._require_distances()
        rows = []
        for annotator, images in sorted(self._hidden_pairs().items()):
            error = measure_error(images, self.body.surface, self.body.scheme)
            rows.append(
                {
                    "annotator": annotator,
                    "pictures": error.images,
                    "points": sum(part.points for part in error.parts),
                    "mean_cm": round(100 * error.mean_m, 2),
                    "parts": [
                        {
                            "name": part.name,
                            "points": part.points,
                            "mean_cm": round(100 * part.mean_m, 2),
                            "median_cm": round(100 * part.median_m, 2),
                        }
                        for part in error.parts
                        if part.points
                    ],
                    "upper_cm": round(100 * float(error.vertices_m.max()), 2),
                }
            )
        return sorted(rows, key=lambda row: row["mean_cm"])

    def quality_picture(self, annotator: str) -> bytes:
        """Return an annotator's error over the body, as PNG from 0 to the largest value.

        Raises:
            UserError: No such annotator on hidden pictures, or no distances yet.
        """
        self._require_distances()
        images = self._hidden_pairs().get(annotator)
        if not images:
            raise UserError(f"{annotator} has placed no point of a hidden picture")
        error = measure_error(images, self.body.surface, self.body.scheme)
        return self._picture(error.vertices_m)

    def disagreements(self) -> dict[str, Any]:
        """Return all points that two annotators placed, furthest apart first, and the mean.

        Raises:
            UserError: There are no distances (yet).
        """
        self._require_distances()
        rows, difference = self._pairs()
        if difference is None:
            return {"points": [], "mean_cm": None}
        for row, metres in zip(rows, difference.distances_m.tolist(), strict=True):
            row["cm"] = round(100 * metres, 1)
        rows.sort(key=lambda row: -row["cm"])
        upper = round(100 * float(difference.vertices_m.max()), 2)
        return {"points": rows, "mean_cm": round(100 * difference.mean_m, 2), "upper_cm": upper}

    def disagreement_picture(self) -> bytes:
        """Return the disagreement over the body, as PNG.

        Raises:
            UserError: No point was placed twice, or there are no distances yet.
        """
        self._require_distances()
        _, difference = self._pairs()
        if difference is None:
            raise UserError("no point was placed by two annotators")
        return self._picture(difference.vertices_m)

    def decide(self, who: Worker, person: int, point: Any, layer: Any) -> None:
        """Settle a point that two annotators placed: the place of one of them counts."""
        asked = self._point(person, point)
        value = self.store.value(person, str(layer), "click", str(asked["id"]))
        if layer not in (MAIN, SECOND) or value is None:
            raise UserError("take the place of 'main' or 'second', which must be there")
        self.store.lease(who, person, FINAL)
        changes = [("click", str(asked["id"]), {**value, "decided": layer})]
        self.store.write(who, person, FINAL, changes)
        self.store.release(who, person, FINAL)

    # -- inside

    @property
    def _hidden_pictures(self) -> Path:
        return self._hidden_home / "pictures"

    @property
    def _hidden_home(self) -> Path:
        # With a dot, so that it is no folder of photos where labels lie among the photos.
        return self.store.path.with_name(f".{self.store.path.stem}-hidden")

    def _truth(self, index: int) -> Path:
        return self._hidden_home / "truth" / f"{index:04d}.npz"

    def _hidden_pairs(self) -> dict[str, list[AnnotatedImage]]:
        """Annotator -> true and annotated vertices of each hidden picture."""
        found: dict[str, list[AnnotatedImage]] = {}
        for person in self.store.people():
            if person["truth"] is None:
                continue
            points = {p["id"]: p for p in self.store.value(person["id"], MAIN, "points") or []}
            by_layer: dict[str, list[Entry]] = {}
            for entry in self.store.entries(person["id"], kind="click"):
                placed = "vertex" in entry.value and int(entry.key) in points
                if placed and entry.layer == hidden_layer(entry.annotator):
                    by_layer.setdefault(entry.layer, []).append(entry)
            for clicks in by_layer.values():
                asked = [points[int(click.key)] for click in clicks]
                box = self._box(person["id"])
                true = true_places(self._truth(person["truth"]), asked, box, self.body)
                put = np.array([click.value["vertex"] for click in clicks], np.int64)
                image = AnnotatedImage(str(person["id"]), true[true >= 0], put[true >= 0])
                if len(image.true):
                    found.setdefault(clicks[0].annotator, []).append(image)
        return found

    def _pairs(self) -> tuple[list[dict[str, Any]], Disagreement | None]:
        """Return the points placed in both layers, and how far apart."""
        second = {(e.person, e.key): e for e in self.store.entries(layer=SECOND, kind="click")}
        decided = {(e.person, e.key): e for e in self.store.entries(layer=FINAL, kind="click")}
        people = {p["id"]: p for p in self.store.people()}
        rows, ends = [], []
        for entry in self.store.entries(layer=MAIN, kind="click"):
            other = second.get((entry.person, entry.key))
            if other is None or entry.person not in people:
                continue
            if "vertex" not in entry.value or "vertex" not in other.value:
                continue
            final = decided.get((entry.person, entry.key))
            rows.append(
                {
                    "person": entry.person,
                    "photo": people[entry.person]["photo"],
                    "point": int(entry.key),
                    "main": entry.annotator,
                    "second": other.annotator,
                    "decided": None if final is None else final.value.get("decided"),
                }
            )
            ends.append((entry.value["vertex"], other.value["vertex"]))
        if not ends:
            return [], None
        first, last = zip(*ends, strict=True)
        return rows, measure_disagreement(first, last, self.body.surface)

    def _picture(self, vertices_m: NDArray[np.float64]) -> bytes:
        upper = max(float(vertices_m.max()), 1e-4)
        return encode_png(draw_vertex_values(self.body.surface, vertices_m, upper=upper))

    def _require_distances(self) -> None:
        if self.body.distances_error is not None:
            raise UserError(self.body.distances_error)
        if not self.body.has_distances:
            raise UserError("distances along the skin are being computed: ask again in a minute")

    def _photo(self, photo: int) -> dict[str, Any]:
        """Return the record with its size, which is read when it is first asked for."""
        record = self.store.photo(photo)
        if record["width"] is None:
            width, height = self.photos.size(record["name"])
            self.store.set_size(photo, width, height)
            record = {**record, "width": width, "height": height}
        return record

    def _box(self, person: int) -> Box:
        box = self.store.value(person, MAIN, "box")
        if box is None:
            raise KeyError(f"person {person}")
        x, y, w, h = box
        return (x, y, w, h)

    def _point(self, person: int, point: Any) -> dict[str, Any]:
        for asked in self.store.value(person, MAIN, "points") or []:
            if type(point) is int and asked["id"] == point:
                return dict(asked)
        raise UserError(f"point {point!r}: this person has no such")

    def _without_clicks(self, person: int, keys: Iterable[str]) -> list[Change]:
        keys = sorted(keys)
        return [
            ("click", key, None)
            for key in keys
            if self.store.value(person, MAIN, "click", key) is not None
        ]

    def _layer_of(self, person: dict[str, Any], worker: Worker | None) -> str:
        """Return the layer that a worker sees of a person by default."""
        if person["truth"] is not None and worker is not None:
            return hidden_layer(worker.annotator)
        return MAIN

    def _main_annotator(self, person: int) -> str | None:
        """Tell who placed most points in the main layer."""
        names = Counter(e.annotator for e in self.store.entries(person, MAIN, "click"))
        return names.most_common(1)[0][0] if names else None

    def _proposer(self) -> Proposer:
        if self.proposer is None:
            raise UserError("there is no model: start with --model NAME")
        return self.proposer

    def _add_labelled(
        self, name: str, photo: int, entries: list[Change], *, truth: int | None = None
    ) -> int:
        """Add a person that no annotator has drawn, with its labels; returns its id."""
        with self.store.transaction():
            person = self.store.add_person(photo, truth=truth)
            self.store.write(name, person, MAIN, entries)
        return person

    def _proposed(self, grid: NDArray[np.uint8]) -> dict[str, Any]:
        runs = encode_runs(grid)
        name = self._proposer().name
        return {"runs": runs, "source": "model", "model": name, "proposal": runs}


def _task(person: dict[str, Any], layer: str) -> dict[str, Any]:
    return {"photo": person["photo"], "person": person["id"], "layer": layer}


def _cell(point: dict[str, Any]) -> tuple[int, int]:
    return min(int(point["y"]), GRID - 1), min(int(point["x"]), GRID - 1)


def _moved(point: dict[str, Any], old: Box, new: Box) -> dict[str, float]:
    """Move a point from the grid of the old box to that of the new one."""
    x = (old[0] + point["x"] * old[2] / GRID - new[0]) * GRID / new[2]
    y = (old[1] + point["y"] * old[3] / GRID - new[1]) * GRID / new[3]
    return {"x": round(x, 3), "y": round(y, 3)}


def _iou(first: Box, second: Box) -> float:
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (first[2] * first[3] + second[2] * second[3] - common)
