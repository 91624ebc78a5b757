"""The human as an implicit surface: measures in metres, y up, facing +z, the person's left at +x.

Heights, widths and depths are round figures of a lean adult 1.70 m tall; nothing is taken from a
scanned or licensed body.
"""

import numpy as np

from body_builder.field import (
    Field,
    ProfiledTube,
    ellipsoid,
    rounded_cone,
    smooth_difference,
    smooth_union,
)

ARM_ANGLE = np.deg2rad(47.0)
FOREARM_BEND = np.deg2rad(10.0)
HAND_TURN = np.deg2rad(35.0)
TOE_OUT = np.deg2rad(9.0)

ARM_DIRECTION = np.array([np.sin(ARM_ANGLE), -np.cos(ARM_ANGLE), 0.0])
FOREARM_DIRECTION = np.array(
    [
        np.sin(ARM_ANGLE) * np.cos(FOREARM_BEND),
        -np.cos(ARM_ANGLE) * np.cos(FOREARM_BEND),
        np.sin(FOREARM_BEND),
    ]
)
# palms of straight arms would face the thighs; they are turned backwards as in a relaxed stance
_INWARD = np.array([-np.cos(ARM_ANGLE), -np.sin(ARM_ANGLE), 0.0])
_AHEAD = np.cross(_INWARD, FOREARM_DIRECTION)
PALM_NORMAL = np.cos(HAND_TURN) * _INWARD - np.sin(HAND_TURN) * _AHEAD
THUMB_SIDE = np.cos(HAND_TURN) * _AHEAD + np.sin(HAND_TURN) * _INWARD
FOOT_DIRECTION = np.array([np.sin(TOE_OUT), 0.0, np.cos(TOE_OUT)])
FOOT_SIDE = np.array([np.cos(TOE_OUT), 0.0, -np.sin(TOE_OUT)])

SHOULDER = np.array([0.164, 1.362, -0.024])
ELBOW = SHOULDER + 0.285 * ARM_DIRECTION
WRIST = ELBOW + 0.250 * FOREARM_DIRECTION
HIP = np.array([0.088, 0.890, -0.004])
KNEE = np.array([0.104, 0.478, 0.004])
ANKLE = np.array([0.118, 0.082, -0.022])
KNUCKLES = WRIST + 0.092 * FOREARM_DIRECTION


def _near(joint: Field, sideways: float, up: float, ahead: float) -> Field:
    return joint + np.array([sideways, up, ahead])


def body_field(points: Field) -> Field:
    """Approximate signed distance of the whole body, exactly symmetric in x.

    Args:
        points: (N, 3) metres.

    Returns:
        (N,) metres, negative inside.
    """
    left = points.copy()
    left[:, 0] = np.abs(left[:, 0])
    right = left * np.array([-1.0, 1.0, 1.0])
    value = torso(left)
    value = smooth_union(value, smooth_union(pelvis_side(left), pelvis_side(right), 0.018), 0.05)
    value = smooth_union(value, smooth_union(chest_side(left), chest_side(right), 0.03), 0.03)
    value = smooth_union(value, neck(left), 0.035)
    value = smooth_union(value, trapezius(left), 0.035)
    value = smooth_union(value, arm(left), 0.045)
    value = smooth_union(value, smooth_union(leg(left), leg(right), 0.012), 0.045)
    value = smooth_union(value, head(left), 0.018)
    value = smooth_union(value, hand(left), 0.012)
    return smooth_union(value, foot(left), 0.02)


TORSO = ProfiledTube(
    (0, 0, 0),
    (0, 1, 0),
    front=(0, 0, 1),
    # height, half-widths, front, back, shifts, exponent
    rows=[
        (0.825, 0.025, 0.025, 0.050, 0.050, 0.0, -0.005, 2.0),
        (0.855, 0.065, 0.065, 0.070, 0.065, 0.0, -0.005, 2.0),
        (0.890, 0.110, 0.110, 0.088, 0.085, 0.0, -0.005, 2.1),
        (0.930, 0.142, 0.142, 0.098, 0.094, 0.0, -0.005, 2.2),
        (0.980, 0.146, 0.146, 0.102, 0.090, 0.0, -0.005, 2.2),
        (1.030, 0.136, 0.136, 0.102, 0.082, 0.0, -0.005, 2.2),
        (1.080, 0.127, 0.127, 0.101, 0.079, 0.0, -0.006, 2.2),
        (1.130, 0.130, 0.130, 0.104, 0.086, 0.0, -0.010, 2.2),
        (1.190, 0.141, 0.141, 0.110, 0.096, 0.0, -0.014, 2.3),
        (1.250, 0.151, 0.151, 0.114, 0.102, 0.0, -0.018, 2.3),
        (1.310, 0.153, 0.153, 0.108, 0.098, 0.0, -0.024, 2.3),
        (1.350, 0.146, 0.146, 0.092, 0.088, 0.0, -0.028, 2.2),
        (1.385, 0.118, 0.118, 0.068, 0.072, 0.0, -0.030, 2.0),
        (1.410, 0.080, 0.080, 0.050, 0.058, 0.0, -0.032, 2.0),
    ],
    caps=(0.02, 0.03),
)


def torso(points: Field) -> Field:
    """Rib cage, waist and pelvis, with the line of the spine and the navel."""
    value = TORSO(points)
    spine = rounded_cone(points, (0, 1.32, -0.150), (0, 1.0, -0.112), radii=(0.018, 0.016))
    value = smooth_difference(value, spine, 0.03)
    return smooth_difference(
        value, ellipsoid(points, (0, 1.035, 0.105), (0.006, 0.008, 0.012)), 0.008
    )


def chest_side(points: Field) -> Field:
    """Breast muscle, shoulder blade and the muscle below the arm pit."""
    value = ellipsoid(points, (0.072, 1.262, 0.048), (0.072, 0.058, 0.050))
    value = smooth_union(
        value, ellipsoid(points, (0.082, 1.29, -0.085), (0.055, 0.075, 0.034)), 0.03
    )
    lat = rounded_cone(points, (0.128, 1.30, -0.050), (0.085, 1.08, -0.035), radii=(0.034, 0.016))
    return smooth_union(value, lat, 0.03)


def pelvis_side(points: Field) -> Field:
    """Buttock and hip."""
    value = ellipsoid(points, (0.074, 0.868, -0.058), (0.077, 0.080, 0.071))
    return smooth_union(
        value, ellipsoid(points, (0.100, 0.890, -0.002), (0.064, 0.100, 0.080)), 0.04
    )


def neck(points: Field) -> Field:
    """Neck with its two slanting muscles."""
    value = rounded_cone(points, (0, 1.40, -0.038), (0, 1.54, -0.008), radii=(0.056, 0.051))
    muscle = rounded_cone(
        points, (0.014, 1.405, 0.012), (0.052, 1.525, -0.022), radii=(0.011, 0.014)
    )
    throat = ellipsoid(points, (0, 1.450, 0.020), (0.010, 0.016, 0.008))
    return smooth_union(smooth_union(value, muscle, 0.012), throat, 0.012)


def trapezius(points: Field) -> Field:
    """Slope from neck to shoulder, and the collar bone."""
    value = rounded_cone(
        points, (0.022, 1.448, -0.045), (0.138, 1.376, -0.032), radii=(0.036, 0.032)
    )
    collar = rounded_cone(
        points, (0.020, 1.386, 0.024), (0.135, 1.388, -0.006), radii=(0.008, 0.010)
    )
    return smooth_union(value, collar, 0.018)


UPPER_ARM = ProfiledTube(
    SHOULDER,
    ARM_DIRECTION,
    front=(0, 0, 1),
    rows=[
        (-0.010, 0.050, 0.050, 0.050, 0.050, 0.0, 0.000, 2.0),
        (0.040, 0.053, 0.050, 0.052, 0.052, 0.0, 0.000, 2.0),
        (0.100, 0.046, 0.045, 0.050, 0.049, 0.0, 0.001, 2.0),
        (0.160, 0.041, 0.041, 0.049, 0.046, 0.0, 0.002, 2.0),
        (0.220, 0.037, 0.037, 0.043, 0.041, 0.0, 0.001, 2.0),
        (0.265, 0.037, 0.036, 0.036, 0.037, 0.0, 0.000, 2.0),
        (0.290, 0.037, 0.036, 0.035, 0.036, 0.0, 0.000, 2.0),
    ],
    caps=(0.05, 0.03),
)
FOREARM = ProfiledTube(
    ELBOW,
    FOREARM_DIRECTION,
    front=(0, 0, 1),
    rows=[
        (-0.005, 0.037, 0.036, 0.036, 0.036, 0.0, 0.0, 2.0),
        (0.030, 0.038, 0.037, 0.043, 0.038, 0.0, 0.0, 2.0),
        (0.070, 0.037, 0.036, 0.045, 0.039, 0.0, 0.0, 2.0),
        (0.120, 0.032, 0.032, 0.041, 0.036, 0.0, 0.0, 2.0),
        (0.180, 0.025, 0.025, 0.033, 0.031, 0.0, 0.0, 2.0),
        (0.225, 0.022, 0.022, 0.026, 0.026, 0.0, 0.0, 2.1),
        (0.255, 0.021, 0.021, 0.025, 0.025, 0.0, 0.0, 2.1),
    ],
    caps=(0.03, 0.02),
)


def arm(points: Field) -> Field:
    """Shoulder cap, upper arm, elbow and forearm."""
    value = ellipsoid(points, _near(SHOULDER, 0.008, 0.000, 0.0), (0.053, 0.052, 0.055))
    value = smooth_union(value, UPPER_ARM(points), 0.02)
    value = smooth_union(value, FOREARM(points), 0.012)
    tip = ELBOW + 0.004 * ARM_DIRECTION + np.array([0.0, 0.0, -0.024])
    return smooth_union(value, ellipsoid(points, tip, (0.016, 0.016, 0.017)), 0.014)


LEG_AXIS = KNEE - HIP
SHIN_AXIS = ANKLE - KNEE
THIGH = ProfiledTube(
    HIP,
    LEG_AXIS,
    front=(0, 0, 1),
    rows=[
        (-0.02, 0.074, 0.076, 0.080, 0.080, 0.0, 0.000, 2.0),
        (0.050, 0.080, 0.080, 0.086, 0.084, 0.0, 0.000, 2.0),
        (0.110, 0.079, 0.079, 0.085, 0.082, 0.0, 0.002, 2.0),
        (0.180, 0.073, 0.072, 0.081, 0.076, 0.0, 0.004, 2.0),
        (0.260, 0.064, 0.064, 0.073, 0.067, 0.0, 0.004, 2.0),
        (0.330, 0.056, 0.056, 0.063, 0.058, 0.0, 0.002, 2.0),
        (0.380, 0.051, 0.051, 0.055, 0.052, 0.0, 0.001, 2.1),
        (0.420, 0.046, 0.046, 0.048, 0.046, 0.0, 0.002, 2.1),
    ],
    caps=(0.06, 0.04),
)
SHIN = ProfiledTube(
    KNEE,
    SHIN_AXIS,
    front=(0, 0, 1),
    rows=[
        (-0.020, 0.045, 0.045, 0.046, 0.047, 0.0, 0.002, 2.1),
        (0.040, 0.047, 0.048, 0.046, 0.053, 0.0, 0.000, 2.0),
        (0.090, 0.050, 0.051, 0.042, 0.062, 0.0, -0.002, 2.0),
        (0.140, 0.050, 0.050, 0.041, 0.064, 0.0, -0.004, 2.0),
        (0.200, 0.044, 0.044, 0.040, 0.056, 0.0, -0.004, 2.0),
        (0.260, 0.036, 0.036, 0.037, 0.045, 0.0, -0.003, 2.0),
        (0.320, 0.030, 0.030, 0.034, 0.037, 0.0, -0.002, 2.0),
        (0.365, 0.030, 0.030, 0.034, 0.037, 0.0, 0.000, 2.0),
        (0.400, 0.032, 0.032, 0.037, 0.038, 0.0, 0.002, 2.0),
    ],
    caps=(0.04, 0.03),
)


def leg(points: Field) -> Field:
    """Thigh, knee cap, shin, calf and ankle bones."""
    value = smooth_union(THIGH(points), SHIN(points), 0.012)
    cap = ellipsoid(points, _near(KNEE, 0.0, 0.006, 0.032), (0.024, 0.028, 0.020))
    value = smooth_union(value, cap, 0.016)
    calf = ellipsoid(points, _near(KNEE, -0.018, -0.118, -0.036), (0.027, 0.070, 0.028))
    value = smooth_union(value, calf, 0.02)
    outer = ellipsoid(points, _near(ANKLE, 0.025, -0.004, -0.008), (0.010, 0.014, 0.012))
    inner = ellipsoid(points, _near(ANKLE, -0.026, 0.006, 0.002), (0.010, 0.014, 0.012))
    return smooth_union(value, smooth_union(outer, inner, 0.005), 0.012)


def _foot_point(forward: float, sideways: float, height: float) -> Field:
    base = np.array([ANKLE[0], 0.0, ANKLE[2]])
    return base + forward * FOOT_DIRECTION + sideways * FOOT_SIDE + np.array([0.0, height, 0.0])


FOOT = ProfiledTube(
    _foot_point(0.0, 0.0, 0.0),
    FOOT_DIRECTION,
    front=(0, 1, 0),
    # side = axis x front points to -FOOT_SIDE (inner side of the left foot)
    rows=[
        (-0.040, 0.028, 0.028, 0.040, 0.030, 0.000, 0.030, 2.2),
        (0.000, 0.031, 0.032, 0.050, 0.030, 0.000, 0.030, 2.2),
        (0.040, 0.033, 0.034, 0.052, 0.029, 0.000, 0.029, 2.2),
        (0.080, 0.036, 0.038, 0.040, 0.026, 0.000, 0.026, 2.2),
        (0.120, 0.041, 0.043, 0.027, 0.022, 0.002, 0.022, 2.3),
        (0.150, 0.042, 0.042, 0.020, 0.018, 0.003, 0.018, 2.3),
        (0.170, 0.038, 0.036, 0.015, 0.014, 0.005, 0.014, 2.3),
    ],
    caps=(0.028, 0.012),
)
# forward and sideways of root and tip, radius at root and tip
TOES = [
    (0.150, -0.026, 0.202, -0.026, 0.0140, 0.0125),
    (0.152, -0.003, 0.200, -0.001, 0.0100, 0.0088),
    (0.148, 0.012, 0.190, 0.015, 0.0095, 0.0083),
    (0.142, 0.025, 0.177, 0.029, 0.0092, 0.0080),
    (0.132, 0.036, 0.162, 0.042, 0.0092, 0.0080),
]


def foot(points: Field) -> Field:
    """Foot with heel, arch and five toes on the ground y = 0."""
    value = FOOT(points)
    arch = ellipsoid(points, _foot_point(0.062, -0.046, 0.0), (0.022, 0.018, 0.045))
    value = smooth_difference(value, arch, 0.02)
    for near, near_side, far, far_side, root, tip in TOES:
        toe = rounded_cone(
            points,
            _foot_point(near, near_side, root + 0.002),
            _foot_point(far, far_side, tip + 0.001),
            radii=(root, tip),
        )
        value = smooth_union(value, toe, 0.010)
    return smooth_difference(value, points[:, 1], 0.008)


# along the hand and towards the thumb, of root, middle joint and tip; radii of root and tip
FINGERS = [
    (0.082, 0.030, 0.126, 0.043, 0.164, 0.050, 0.0098, 0.0074),
    (0.088, 0.010, 0.137, 0.013, 0.178, 0.015, 0.0100, 0.0075),
    (0.085, -0.011, 0.131, -0.017, 0.169, -0.021, 0.0096, 0.0072),
    (0.078, -0.030, 0.111, -0.044, 0.140, -0.052, 0.0086, 0.0065),
]
PALM = ProfiledTube(
    WRIST,
    FOREARM_DIRECTION,
    front=PALM_NORMAL,
    # half-width to the thumb, to the little finger (signs set by THUMB_SIDE), thickness
    rows=[
        (-0.010, 0.027, 0.027, 0.017, 0.017, 0.0, 0.0, 2.2),
        (0.015, 0.031, 0.029, 0.018, 0.015, 0.0, 0.0, 2.3),
        (0.045, 0.037, 0.036, 0.017, 0.013, 0.0, 0.0, 2.4),
        (0.075, 0.041, 0.039, 0.014, 0.012, 0.0, 0.0, 2.5),
        (0.098, 0.040, 0.036, 0.0108, 0.0108, 0.0, 0.0, 2.5),
    ],
    caps=(0.02, 0.012),
)


def _hand_point(along: float, thumbward: float, palmward: float = 0.0) -> Field:
    return WRIST + along * FOREARM_DIRECTION + thumbward * THUMB_SIDE + palmward * PALM_NORMAL


def hand(points: Field) -> Field:
    """Palm, ball of the thumb, thumb and four fingers."""
    value = PALM(points)
    ball = rounded_cone(
        points,
        _hand_point(0.018, 0.018, 0.006),
        _hand_point(0.052, 0.040, 0.008),
        radii=(0.016, 0.0145),
    )
    value = smooth_union(value, ball, 0.014)
    thumb = smooth_union(
        rounded_cone(
            points,
            _hand_point(0.040, 0.034, 0.006),
            _hand_point(0.076, 0.064, 0.008),
            radii=(0.0135, 0.0112),
        ),
        rounded_cone(
            points,
            _hand_point(0.076, 0.064, 0.008),
            _hand_point(0.104, 0.080, 0.008),
            radii=(0.0112, 0.0088),
        ),
        0.004,
    )
    value = smooth_union(value, thumb, 0.012)
    for root, side, middle, side_middle, tip, side_tip, thick, thin in FINGERS:
        mean = 0.5 * (thick + thin)
        near = rounded_cone(
            points,
            _hand_point(root, side),
            _hand_point(middle, side_middle, 0.004),
            radii=(thick, mean),
        )
        far = rounded_cone(
            points,
            _hand_point(middle, side_middle, 0.004),
            _hand_point(tip, side_tip, 0.012),
            radii=(mean, thin),
        )
        value = smooth_union(value, smooth_union(near, far, 0.003), 0.010)
    return value


FACE = ProfiledTube(
    (0, 0, 0),
    (0, 1, 0),
    front=(0, 0, 1),
    rows=[
        (1.486, 0.022, 0.022, 0.030, 0.050, 0.0, 0.050, 2.3),
        (1.505, 0.046, 0.046, 0.050, 0.055, 0.0, 0.034, 2.3),
        (1.530, 0.057, 0.057, 0.060, 0.058, 0.0, 0.025, 2.3),
        (1.555, 0.063, 0.063, 0.065, 0.060, 0.0, 0.021, 2.3),
        (1.580, 0.067, 0.067, 0.066, 0.060, 0.0, 0.020, 2.2),
        (1.610, 0.069, 0.069, 0.068, 0.060, 0.0, 0.020, 2.2),
        (1.640, 0.064, 0.064, 0.048, 0.060, 0.0, 0.030, 2.1),
    ],
    caps=(0.012, 0.03),
)


def head(points: Field) -> Field:
    """Skull, jaw, ears and the features of the face."""
    value = ellipsoid(points, (0, 1.606, -0.010), (0.0765, 0.094, 0.097))
    value = smooth_union(value, FACE(points), 0.025)
    jaw = rounded_cone(points, (0.050, 1.530, 0.004), (0.018, 1.489, 0.066), radii=(0.013, 0.014))
    value = smooth_union(value, jaw, 0.018)
    return ears(face(value, points), points)


def face(value: Field, points: Field) -> Field:
    """Brow, eyes, nose, mouth and chin added to the skull."""
    brow = rounded_cone(points, (0.012, 1.600, 0.081), (0.046, 1.602, 0.064), radii=(0.008, 0.007))
    value = smooth_union(value, brow, 0.014)
    socket = ellipsoid(points, (0.0315, 1.583, 0.090), (0.019, 0.012, 0.016))
    value = smooth_difference(value, socket, 0.012)
    eye = ellipsoid(points, (0.0315, 1.582, 0.0690), (0.0150, 0.0105, 0.0125))
    value = smooth_union(value, eye, 0.002)
    cheek = ellipsoid(points, (0.044, 1.556, 0.058), (0.020, 0.015, 0.014))
    value = smooth_union(value, cheek, 0.02)
    bridge = rounded_cone(points, (0, 1.594, 0.083), (0, 1.553, 0.099), radii=(0.0075, 0.0095))
    wings = ellipsoid(points, (0.0100, 1.550, 0.090), (0.0085, 0.0075, 0.0105))
    value = smooth_union(value, smooth_union(bridge, wings, 0.007), 0.010)
    upper = rounded_cone(
        points, (0, 1.5255, 0.0860), (0.021, 1.5205, 0.0765), radii=(0.0070, 0.0042)
    )
    lower = rounded_cone(
        points, (0, 1.5120, 0.0845), (0.018, 1.5165, 0.0765), radii=(0.0078, 0.0042)
    )
    value = smooth_union(value, smooth_union(upper, lower, 0.002), 0.007)
    chin = ellipsoid(points, (0, 1.490, 0.073), (0.019, 0.014, 0.013))
    return smooth_union(value, chin, 0.014)


def ears(value: Field, points: Field) -> Field:
    """Ears added to the head."""
    tilt = np.deg2rad(18)
    axes = np.array(
        [
            [np.cos(tilt), 0.0, -np.sin(tilt) * -1.0],
            [0.0, 1.0, 0.0],
            [-np.sin(tilt), 0.0, np.cos(tilt)],
        ]
    )
    shell = ellipsoid(points, (0.0775, 1.570, -0.014), (0.0075, 0.030, 0.0175), axes=axes)
    bowl = ellipsoid(points, (0.0865, 1.573, -0.010), (0.006, 0.017, 0.009), axes=axes)
    shell = smooth_difference(shell, bowl, 0.005)
    return smooth_union(value, shell, 0.010)
