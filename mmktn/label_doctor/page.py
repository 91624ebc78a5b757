"""The findings as one HTML page: crops, worst first, to be filtered; no other file, no network."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.label_doctor.findings import KINDS, Finding
from mmktn.label_doctor.records import LabelledPerson, read_image

_SIDE = 300
# BGR: left is cool, right is warm.
_COLOURS = {"left": (230, 170, 60), "right": (60, 130, 245), "middle": (90, 200, 90)}
_WEB = Path(__file__).parent / "web"


def page(
    findings: Sequence[Finding],
    people: Sequence[LabelledPerson],
    *,
    title: str,
    images: Path,
    records: Sequence[dict[str, Any]],
    most: int = 300,
    note: Callable[[str], None] = lambda _: None,
) -> str:
    """Return the page as text.

    Args:
        findings: Worst first; all are counted, the first `most` shown.
        people: People of the file.
        title: Of the page.
        images: Folder of the pictures.
        records: Image records of the file.
        most: Crops that are shown.
        note: Told of pictures that cannot be read, or are of another size than the file says.
    """
    by_id = {person.id: person for person in people}
    names = {image["id"]: image for image in records}
    crops = _Crops(images, note)
    cards = [
        _card(finding, by_id.get(finding.annotation_id), names[finding.image_id], crops)
        for finding in findings[:most]
    ]
    counts = Counter(finding.kind for finding in findings)
    filters = "".join(
        f'<label title="{html.escape(text)}"><input type="checkbox" checked value="{kind}">{kind} '
        f"({counts[kind]})</label>"
        for kind, text in KINDS.items()
        if counts[kind]
    )
    style, script = (
        (_WEB / name).read_text(encoding="utf-8") for name in ("findings.css", "findings.js")
    )
    more = f" The first {most} are shown." if len(findings) > most else ""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{style}</style></head><body><h1>{html.escape(title)}</h1>"
        f"<p>{len(findings)} findings on {len(people)} people, worst first.{more}</p>"
        f'<div id="bar">{filters}<br><input type="search" placeholder="text, id, file"> '
        'severity from <input type="range" min="0" max="1" step="0.05" value="0"> '
        '<button id="none" type="button">all or none</button> <span id="count"></span></div>'
        f'<div id="list">{"".join(cards)}</div><script>{script}</script></body></html>\n'
    )


def _card(
    finding: Finding, person: LabelledPerson | None, image: dict[str, Any], crops: _Crops
) -> str:
    code = crops.jpeg(finding, person, image)
    picture = f'<img alt="" loading="lazy" src="data:image/jpeg;base64,{code}">' if code else ""
    who = "" if finding.annotation_id is None else f", annotation {finding.annotation_id}"
    where = html.escape(f"{image['file_name']}, image {finding.image_id}{who}")
    fix = (
        f'<div class="fix">safe change: {html.escape(finding.fix["do"])}</div>'
        if finding.fix
        else ""
    )
    return (
        f'<article data-kind="{finding.kind}" data-severity="{finding.severity:.3f}">{picture}<div>'
        f'<span class="sev">{finding.severity:.2f}</span><span class="kind">{finding.kind}</span>'
        f'<br>{html.escape(finding.message)}<br><span class="where">{where}</span>{fix}</div>'
        "</article>"
    )


class _Crops:
    """Cuts people out of their pictures; the last picture stays decoded."""

    def __init__(self, images: Path, note: Callable[[str], None]) -> None:
        self._images, self._note = images, note
        self._kept: dict[Any, NDArray[np.uint8] | None] = {}

    def jpeg(self, finding: Finding, person: LabelledPerson | None, image: dict[str, Any]) -> str:
        """Return the Base64 of a crop; empty where the picture cannot be read."""
        picture = self._picture(image)
        if picture is None:
            return ""
        height, width = picture.shape[:2]
        box = np.array([0, 0, width, height], float) if person is None else person.box
        margin = 0.08 * box[2:].max()
        x0, y0 = np.maximum(np.floor(box[:2] - margin), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(box[:2] + box[2:] + margin), [width, height]).astype(int)
        crop = picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        scale = _SIDE / max(crop.shape[:2])
        size = [max(round(scale * n), 1) for n in crop.shape[1::-1]]
        resized = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
        small = np.ascontiguousarray(resized, dtype=np.uint8)
        if person is not None:
            _draw(small, finding, person, np.array([x0, y0]), scale)
        _, code = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
        return base64.b64encode(code.tobytes()).decode("ascii")

    def _picture(self, image: dict[str, Any]) -> NDArray[np.uint8] | None:
        number = image["id"]
        if number not in self._kept:
            self._kept.clear()
            self._kept[number] = read_image(image, self._images, self._note)
        return self._kept[number]


def _draw(
    crop: NDArray[np.uint8],
    finding: Finding,
    person: LabelledPerson,
    origin: NDArray[np.int64],
    scale: float,
) -> None:
    """Draw box, points in the colour of their side, and a ring round those of the finding."""
    x, y = (scale * (person.box[:2] - origin)).astype(int)
    right, lower = (scale * (person.box[:2] + person.box[2:] - origin)).astype(int)
    cv2.rectangle(crop, (int(x), int(y)), (int(right), int(lower)), (235, 235, 235), 1)
    for index, place in enumerate(scale * (person.xy - origin)):
        at = (round(float(place[0])), round(float(place[1])))
        part = int(person.own_parts[index])
        name = person.scheme[part].name if part else ""
        side = next((side for side in ("left", "right") if side in name), "middle")
        cv2.circle(crop, at, 2, _COLOURS[side], -1, cv2.LINE_AA)
        if index in finding.points:
            cv2.circle(crop, at, 7, (255, 255, 255), 3, cv2.LINE_AA)
            cv2.circle(crop, at, 7, (40, 30, 214), 2, cv2.LINE_AA)
