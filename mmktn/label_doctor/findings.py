"""What the doctor can find, and what it proposes to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

KINDS = {
    "side": "left and right are confused at a point",
    "part side": "left and right of a whole limb contradict the keypoints",
    "front back": "front and back are confused at a point",
    "seam": "a coordinate has jumped to the other edge of its chart",
    "off person": "a point lies off the person",
    "off part": "a point lies on another part than its chart",
    "far": "a place is far from what the neighbours say",
    "keypoint": "a place is far from the keypoint that is near in the photo",
    "duplicate point": "a point stands twice in one person",
    "duplicate": "a person stands twice",
    "no points": "a person without points, among such as have them",
    "box": "box and outline disagree",
    "model": "a place is far from what the model says",
    "shared picture": "a picture is in another set, or twice in this one",
}
"""Kind of finding -> what it means, in the order in which equals are listed."""


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Attributes:
        kind: One of `KINDS`.
        severity: 0 to 1, the order of the list.
        message: What is wrong, with numbers.
        image_id: Image.
        annotation_id: Person; None for findings on images.
        points: Indices of the points that it is about.
        fix: A change that is safe, as `mmktn.label_doctor.examination.mended` reads it; None where
            a person must decide.
    """

    kind: str
    severity: float
    message: str
    image_id: Any
    annotation_id: Any = None
    points: tuple[int, ...] = ()
    fix: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as a JSON-ready dict."""
        return {**asdict(self), "points": list(self.points), "severity": round(self.severity, 3)}


def ranked(findings: list[Finding]) -> list[Finding]:
    """Sort findings, worst first; equals in the order of `KINDS`, then of the file."""
    order = list(KINDS)
    return sorted(findings, key=lambda f: (-round(f.severity, 3), order.index(f.kind)))
