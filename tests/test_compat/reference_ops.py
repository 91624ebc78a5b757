"""Slow, obvious versions of the two operators, written from their definition."""

import math

import numpy as np


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    """Read one value between cell centres; outside [-1, size] it is zero."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    return (
        plane[top, left] * (1 - down) * (1 - across)
        + plane[top, right] * (1 - down) * across
        + plane[bottom, left] * down * (1 - across)
        + plane[bottom, right] * down * across
    )


def roi_align(features, rois, out_h, out_w, spatial_scale, sampling_ratio, aligned):
    """Average bilinear samples in each bin."""
    output = np.zeros((len(rois), features.shape[1], out_h, out_w))
    for number, (batch, *corners) in enumerate(rois):
        x0, y0, x1, y1 = (value * spatial_scale - (0.5 if aligned else 0.0) for value in corners)
        roi_w, roi_h = x1 - x0, y1 - y0
        if not aligned:
            roi_w, roi_h = max(roi_w, 1.0), max(roi_h, 1.0)
        bin_h, bin_w = roi_h / out_h, roi_w / out_w
        rows = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_h)
        columns = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_w)
        for channel in range(features.shape[1]):
            plane = features[int(batch), channel]
            for row in range(out_h):
                for column in range(out_w):
                    total = sum(
                        bilinear(
                            plane,
                            y0 + (row + (i + 0.5) / rows) * bin_h,
                            x0 + (column + (j + 0.5) / columns) * bin_w,
                        )
                        for i in range(rows)
                        for j in range(columns)
                    )
                    output[number, channel, row, column] = total / max(rows * columns, 1)
    return output


def nms(boxes, scores, threshold, offset):
    """Keep the best box, drop what overlaps it, repeat."""
    remaining = sorted(range(len(boxes)), key=lambda index: -scores[index])
    kept = []
    while remaining:
        best = remaining.pop(0)
        kept.append(best)
        remaining = [i for i in remaining if not iou(boxes[best], boxes[i], offset) > threshold]
    return kept


def iou(a, b, offset):
    """Intersection over union of two x1, y1, x2, y2 boxes."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def soft_nms(boxes, scores, threshold, sigma, min_score, method, offset):
    """Take the best box, lower the scores of the others, drop the low ones, repeat."""
    left = dict(enumerate(scores))
    order, taken = [], []
    while left:
        best = max(left, key=left.__getitem__)
        order.append(best)
        taken.append(left.pop(best))
        for other in list(left):
            overlap = iou(boxes[best], boxes[other], offset)
            if method == "gaussian":
                left[other] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                left[other] *= 1 - overlap if method == "linear" else 0
            if left[other] < min_score:
                del left[other]
    return order, taken


def deform_conv(features, offset, weight, mask, stride, padding, dilation, groups, deform_groups):
    """Sum weights times bilinear samples, cell by cell; pairs are (vertical, horizontal)."""
    batch, channels = features.shape[:2]
    count, _, kernel_h, kernel_w = weight.shape
    out_h, out_w = offset.shape[2:]
    output = np.zeros((batch, count, out_h, out_w))
    for b, o, row, column in np.ndindex(batch, count, out_h, out_w):
        for c, i, j in np.ndindex(channels // groups, kernel_h, kernel_w):
            channel = o // (count // groups) * (channels // groups) + c
            place = channel // (channels // deform_groups) * kernel_h * kernel_w + i * kernel_w + j
            y = row * stride[0] - padding[0] + i * dilation[0] + offset[b, 2 * place, row, column]
            x = (
                column * stride[1]
                - padding[1]
                + j * dilation[1]
                + offset[b, 2 * place + 1, row, column]
            )
            value = zero_padded(features[b, channel], y, x) * weight[o, c, i, j]
            output[b, o, row, column] += value * mask[b, place, row, column]
    return output


def zero_padded(plane, y, x):
    """Read one value between cell centres; cells outside of the map are zero."""
    height, width = plane.shape
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                total += plane[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total
