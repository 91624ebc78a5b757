"""Joint-angle distributions of everyday poses.

Angles are in degrees with anatomical names; `joint_rotations` turns them into rotations in the axes
of the A-pose template (x the person's left, y up, z forward). The numbers are guesses at natural
ranges, not fitted to any recording.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.skeleton import SyntheticSkeleton
from mmktn.synthetic.camera import rotation_about

FINGERS = ("thumb", "index", "middle", "ring", "little")
_AHEAD = np.array([0.0, 0.0, 1.0])


@dataclass
class LimbAngles:
    """One arm or leg.

    Attributes:
        raise_side: of the upper limb away from hanging straight down, to the limb's own side.
        raise_front: of the upper limb, forward.
        twist: of the upper limb about its own axis, outward.
        bend: of elbow or knee, 0 is straight.
        end: of wrist or ankle; feet: toes up.
    """

    raise_side: float = 0.0
    raise_front: float = 0.0
    twist: float = 0.0
    bend: float = 0.0
    end: float = 0.0


@dataclass
class PoseAngles:
    """A whole body; left and right are the person's own.

    Attributes:
        left_arm, right_arm, left_leg, right_leg: the limbs.
        lean, torso, head: turns of the whole body, the back and the head, (forward, to the left,
            to the right side).
        left_curl, right_curl: bend of each joint of thumb, index, middle, ring, little finger.
    """

    left_arm: LimbAngles = field(default_factory=LimbAngles)
    right_arm: LimbAngles = field(default_factory=LimbAngles)
    left_leg: LimbAngles = field(default_factory=LimbAngles)
    right_leg: LimbAngles = field(default_factory=LimbAngles)
    lean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    torso: tuple[float, float, float] = (0.0, 0.0, 0.0)
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)
    left_curl: tuple[float, ...] = (0.0,) * 5
    right_curl: tuple[float, ...] = (0.0,) * 5


def joint_rotations(
    skeleton: SyntheticSkeleton, pose: PoseAngles
) -> dict[str, NDArray[np.float64]]:
    """Return the rotations of all joints of a pose.

    Args:
        skeleton: names and rest positions of the joints.
        pose: angles in degrees. `lean`, `torso` and `head` are (forward, turn to the left, tilt to
            the right) of the whole body, the back and the head.

    Returns:
        Joint name -> (3, 3) rotation in rest axes, relative to the parent.
    """
    rotations = {
        "pelvis": _trunk(pose.lean, 1.0),
        "spine": _trunk(pose.torso, 0.5),
        "chest": _trunk(pose.torso, 0.5),
        "neck": _trunk(pose.head, 0.4),
        "head": _trunk(pose.head, 0.6),
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm: LimbAngles = getattr(pose, f"{side}_arm")
        leg: LimbAngles = getattr(pose, f"{side}_leg")
        _set_arm(rotations, skeleton, side, arm, sign)
        _set_leg(rotations, skeleton, side, leg, sign)
        if f"{side}_index_1" in skeleton.joint_names:
            _set_fingers(rotations, skeleton, side, getattr(pose, f"{side}_curl"), sign)
    return rotations


def _trunk(angles: tuple[float, float, float], share: float) -> NDArray[np.float64]:
    forward, left, right = np.radians(angles) * share
    turn = rotation_about("y", left) @ rotation_about("x", forward)
    return turn @ rotation_about("z", right)


def _set_arm(
    rotations: dict[str, NDArray[np.float64]],
    skeleton: SyntheticSkeleton,
    side: str,
    arm: LimbAngles,
    sign: float,
) -> None:
    """Turn the upper arm from its rest direction to the wanted one by the shortest way."""
    places = skeleton.joint_positions
    shoulder, elbow, wrist = (
        places[skeleton.joint_index(f"{side}_{name}")] for name in ("shoulder", "elbow", "wrist")
    )
    rest = _unit(elbow - shoulder)
    aim = rotation_about("x", -np.radians(arm.raise_front))
    aim = aim @ rotation_about("z", sign * np.radians(arm.raise_side))
    target = aim @ np.array([0.0, -1.0, 0.0])
    # Above the horizontal the shoulder girdle takes part of the lift, as in people.
    lift = max(0.0, arm.raise_side + arm.raise_front - 90.0) / 5
    girdle = rotation_about("z", sign * np.radians(min(lift, 15.0)))
    swing = _shortest_turn(rest, girdle.T @ target)
    rotations[f"{side}_clavicle"] = girdle
    rotations[f"{side}_shoulder"] = swing @ axis_turn(rest, -sign * np.radians(arm.twist))
    forearm = _unit(wrist - elbow)
    bent = float(np.arccos(np.clip(rest @ forearm, -1, 1)))
    # An elbow that is bent at rest shows its hinge; a straight one bends forward.
    hinge = _unit(np.cross(rest if bent > 0.1 else forearm, forearm if bent > 0.1 else _AHEAD))
    rotations[f"{side}_elbow"] = axis_turn(hinge, np.radians(arm.bend) - bent)
    across = _unit(np.cross(hinge, forearm))
    rotations[f"{side}_wrist"] = axis_turn(across, np.radians(arm.end))


def _set_leg(
    rotations: dict[str, NDArray[np.float64]],
    skeleton: SyntheticSkeleton,
    side: str,
    leg: LimbAngles,
    sign: float,
) -> None:
    """Turn the thigh from straight down; legs that are spread at rest are closed before."""
    places = skeleton.joint_positions
    hip, ankle = (places[skeleton.joint_index(f"{side}_{name}")] for name in ("hip", "ankle"))
    spread = sign * np.arctan2(sign * (ankle - hip)[0], (hip - ankle)[1])
    close = rotation_about("z", -spread)
    swing = rotation_about("x", -np.radians(leg.raise_front))
    swing = swing @ rotation_about("z", sign * np.radians(leg.raise_side))
    rotations[f"{side}_hip"] = swing @ rotation_about("y", sign * np.radians(leg.twist)) @ close
    axis = close.T @ np.array([1.0, 0.0, 0.0])
    rotations[f"{side}_knee"] = axis_turn(axis, np.radians(leg.bend))
    level = close.T @ rotation_about("x", -np.radians(leg.end))
    rotations[f"{side}_ankle"] = level


def _set_fingers(
    rotations: dict[str, NDArray[np.float64]],
    skeleton: SyntheticSkeleton,
    side: str,
    curl: tuple[float, ...],
    sign: float,
) -> None:
    """Bend the joints of the fingers about the axis of the knuckles, the thumb about its own."""
    places, index = skeleton.joint_positions, skeleton.joint_index
    row = places[index(f"{side}_little_1")] - places[index(f"{side}_index_1")]
    for name, angle in zip(FINGERS, curl, strict=True):
        first, second, third = (places[index(f"{side}_{name}_{k}")] for k in (1, 2, 3))
        along = _unit(third - first)
        axis = sign * row
        if name == "thumb":  # across the palm, towards the ring finger
            axis = np.cross(along, places[index(f"{side}_ring_1")] - second)
        axis = _unit(axis - (axis @ along) * along)
        for joint, share in ((1, 1.0), (2, 1.1), (3, 0.8)):
            turn = axis_turn(axis, np.radians(angle) * share * (0.4 if name == "thumb" else 1.0))
            rotations[f"{side}_{name}_{joint}"] = turn


def axis_turn(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Return the rotation matrix (3, 3) by `angle` radians about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _shortest_turn(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation that takes one unit vector to another."""
    axis = np.cross(start, end)
    sine, cosine = np.linalg.norm(axis), float(start @ end)
    if sine < 1e-9:
        # Opposite vectors: any half turn across them does; about the forward axis arms stay aside.
        return np.eye(3) if cosine > 0 else rotation_about("z", np.pi)
    return axis_turn(axis / sine, float(np.arctan2(sine, cosine)))


def _unit(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def _idle_arm(rng: np.random.Generator) -> LimbAngles:
    """Return the hanging, on the hip, before the body, on the phone, or behind the back."""
    kind = rng.random()
    if kind < 0.45:
        side, front, bend = rng.uniform(5, 22), rng.normal(0, 10), abs(rng.normal(12, 12))
        return LimbAngles(side, front, rng.normal(0, 20), bend, rng.normal(0, 10))
    if kind < 0.6:  # hand on the hip
        return LimbAngles(rng.uniform(38, 55), rng.uniform(-25, -5), -60, rng.uniform(85, 110))
    if kind < 0.8:  # forearm lifted before the body
        side, front, bend = rng.uniform(5, 25), rng.uniform(0, 40), rng.uniform(50, 115)
        return LimbAngles(side, front, rng.uniform(-60, 15), bend)
    if kind < 0.9:  # hand at the head
        return LimbAngles(rng.uniform(20, 70), rng.uniform(20, 60), 0, rng.uniform(115, 140))
    return LimbAngles(
        rng.uniform(15, 60), rng.uniform(0, 80), rng.normal(0, 25), rng.uniform(0, 60)
    )


def _raised_arm(rng: np.random.Generator) -> LimbAngles:
    """Raise an arm to between horizontal and straight up, to the side or forward."""
    if rng.random() < 0.6:
        return LimbAngles(
            rng.uniform(80, 168), rng.normal(0, 12), rng.normal(0, 20), abs(rng.normal(20, 25))
        )
    return LimbAngles(
        rng.uniform(5, 25), rng.uniform(75, 165), rng.normal(0, 20), abs(rng.normal(15, 20))
    )


def _standing(rng: np.random.Generator) -> PoseAngles:
    spread = abs(rng.normal(5, 4))
    legs = [
        LimbAngles(spread + rng.normal(0, 2), rng.normal(2, 6), rng.normal(8, 8)) for _ in range(2)
    ]
    for leg in legs:
        leg.bend = abs(rng.normal(0, 8))
    return PoseAngles(_idle_arm(rng), _idle_arm(rng), legs[0], legs[1])


def gait(speed: float, phase: float, arms_side: tuple[float, float]) -> PoseAngles:
    """Return a moment of walking: arms and legs swing against each other.

    Args:
        speed: 0.5 is a stroll, 1 a brisk walk, 1.6 a run.
        phase: radians; a full turn is two steps.
        arms_side: by how much left and right arm are held away from the body, degrees.
    """
    limbs = []
    for shift, side in zip((0.0, np.pi), arms_side, strict=True):
        swing = np.sin(phase + shift)
        lifting = max(0.0, np.cos(phase + shift))
        leg = LimbAngles(2, 24 * speed * swing + 6 * speed, 4)
        leg.bend = 8 + 45 * speed * lifting + 10 * speed * max(0.0, -swing)
        leg.end = 12 * swing
        arm = LimbAngles(side, -24 * speed * swing, 0, 12 + 50 * max(0, speed - 0.6))
        limbs.append((arm, leg))
    (left_arm, left_leg), (right_arm, right_leg) = limbs
    forward = 3 + 8 * max(0.0, speed - 0.7)
    return PoseAngles(left_arm, right_arm, left_leg, right_leg, lean=(forward, 0.0, 0.0))


def _walking(rng: np.random.Generator) -> PoseAngles:
    """Return a phase of a gait between a stroll and a run."""
    speed, phase = rng.uniform(0.5, 1.6), rng.uniform(0, 2 * np.pi)
    return gait(speed, phase, (rng.uniform(6, 14), rng.uniform(6, 14)))


def _arms_raised(rng: np.random.Generator) -> PoseAngles:
    pose = _standing(rng)
    both = rng.random() < 0.6
    pose.left_arm = _raised_arm(rng)
    if both:
        pose.right_arm = _raised_arm(rng)
    elif rng.random() < 0.5:
        pose.left_arm, pose.right_arm = pose.right_arm, pose.left_arm
    return pose


def _sitting(rng: np.random.Generator) -> PoseAngles:
    pose = PoseAngles(_idle_arm(rng), _idle_arm(rng), torso=(rng.normal(8, 8), 0, 0))
    front = rng.uniform(70, 95)
    for name in ("left_leg", "right_leg"):
        leg = LimbAngles(rng.uniform(2, 22), front + rng.normal(0, 6), rng.normal(0, 8))
        leg.bend = rng.uniform(60, 105)
        setattr(pose, name, leg)
    return pose


def _crouching(rng: np.random.Generator) -> PoseAngles:
    depth = rng.uniform(0.35, 1.0)
    pose = PoseAngles(_idle_arm(rng), _idle_arm(rng), lean=(25 * depth, 0, 0))
    for name in ("left_leg", "right_leg"):
        leg = LimbAngles(rng.uniform(5, 25), 100 * depth + rng.normal(0, 8), rng.uniform(0, 20))
        leg.bend = 115 * depth + rng.normal(0, 6)
        leg.end = 25 * depth
        setattr(pose, name, leg)
    return pose


def _sport(rng: np.random.Generator) -> PoseAngles:
    """Kick, lunge or reach: wide independent ranges."""
    pose = PoseAngles(_raised_arm(rng), _idle_arm(rng))
    if rng.random() < 0.5:
        pose.left_arm, pose.right_arm = pose.right_arm, pose.left_arm
    for name in ("left_leg", "right_leg"):
        leg = LimbAngles(rng.uniform(0, 35), rng.uniform(-25, 70), rng.normal(5, 10))
        leg.bend = abs(rng.normal(25, 30))
        leg.end = rng.normal(0, 12)
        setattr(pose, name, leg)
    pose.lean = (rng.normal(8, 15), 0.0, rng.normal(0, 12))
    return pose


def _lying(rng: np.random.Generator) -> PoseAngles:
    """Lie on the back, the belly or a side, limbs loose."""
    pose = PoseAngles(_idle_arm(rng), _idle_arm(rng))
    kind = rng.random()
    tip = rng.normal(0, 6)
    if kind < 0.5:
        pose.lean = (-90.0 + tip, 0.0, 0.0)
    elif kind < 0.75:
        pose.lean = (90.0 + tip, 0.0, 0.0)
    else:
        pose.lean = (tip, 0.0, float(rng.choice([-90.0, 90.0])))
    for name in ("left_leg", "right_leg"):
        leg = LimbAngles(rng.uniform(0, 15), max(0.0, rng.normal(5, 25)), rng.normal(8, 10))
        leg.bend = leg.raise_front * rng.uniform(0.8, 1.8) if kind < 0.5 else abs(rng.normal(0, 30))
        leg.end = -20.0
        setattr(pose, name, leg)
    return pose


def _kneeling(rng: np.random.Generator) -> PoseAngles:
    """Kneel on one knee or on both."""
    pose = PoseAngles(_idle_arm(rng), _idle_arm(rng), torso=(rng.normal(8, 8), 0, 0))
    for name in ("left_leg", "right_leg"):
        leg = LimbAngles(rng.uniform(2, 12), rng.uniform(0, 15), rng.normal(0, 6), 95.0, -35.0)
        leg.bend = rng.uniform(85, 110)
        setattr(pose, name, leg)
    if rng.random() < 0.5:
        front = rng.uniform(80, 95)
        pose.left_leg = LimbAngles(rng.uniform(4, 14), front, 0.0, rng.uniform(85, 100))
        if rng.random() < 0.5:
            pose.left_leg, pose.right_leg = pose.right_leg, pose.left_leg
    return pose


POSE_STYLES: dict[str, tuple[Callable[[np.random.Generator], PoseAngles], float]] = {
    "standing": (_standing, 0.32),
    "walking": (_walking, 0.22),
    "arms_raised": (_arms_raised, 0.13),
    "sitting": (_sitting, 0.1),
    "crouching": (_crouching, 0.05),
    "kneeling": (_kneeling, 0.03),
    "lying": (_lying, 0.03),
    "sport": (_sport, 0.12),
}


def random_pose(rng: np.random.Generator, *, style: str | None = None) -> PoseAngles:
    """Draw a pose.

    Args:
        rng: random source.
        style: one of `POSE_STYLES`; drawn by its frequency when not given.

    Returns:
        Angles in degrees.
    """
    names = list(POSE_STYLES)
    weights = np.array([POSE_STYLES[name][1] for name in names])
    chosen = style or names[int(rng.choice(len(names), p=weights / weights.sum()))]
    pose = POSE_STYLES[chosen][0](rng)
    pose.lean = _jitter(pose.lean, (3, 0, 3), rng)
    pose.torso = _jitter(pose.torso, (6, 10, 5), rng)
    pose.head = _jitter(pose.head, (10, 22, 6), rng)
    pose.left_curl, pose.right_curl = _random_curl(rng), _random_curl(rng)
    return pose


def _random_curl(rng: np.random.Generator) -> tuple[float, ...]:
    """Return a relaxed hand, an open one, a fist, or a pointing one."""
    kind = rng.random()
    if kind < 0.55:
        low, high = 5.0, 35.0
    elif kind < 0.8:
        low, high = -8.0, 10.0
    else:
        low, high = 55.0, 85.0
    curl = np.sort(rng.uniform(low, high, 5)) if kind < 0.55 else rng.uniform(low, high, 5)
    if kind > 0.93:
        curl[1] = 0.0
    return tuple(float(angle) for angle in curl)


def _jitter(
    angles: tuple[float, float, float],
    spread: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    forward, left, right = np.asarray(angles) + rng.normal(0, 1, 3) * spread
    return float(forward), float(left), float(right)
