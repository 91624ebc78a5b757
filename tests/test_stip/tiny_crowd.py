"""A hand-made crowd data set: pictures with coloured dots where the keypoints are."""

import json

import cv2
import numpy as np

SHAPE_HW = (120, 160)


def write_crowd(folder, images=4, keypoints=14, seed=0, crowd_index=True):
    """Write `images/*.png` and `crowd.json` with two overlapping persons per image."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(60, 255, size=(keypoints, 3)).tolist()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
    }
    for index in range(images):
        picture = np.full((*SHAPE_HW, 3), 20, np.uint8)
        name = f"{index}.png"
        image = {"id": index + 1, "file_name": name, "height": SHAPE_HW[0], "width": SHAPE_HW[1]}
        if crowd_index:
            image["crowdIndex"] = (0.05, 0.5, 0.9)[index % 3]
        content["images"].append(image)
        for person in range(2):
            left = 15 + 45 * person
            points = rng.uniform((left + 5, 15), (left + 60, 105), size=(keypoints, 2)).round()
            visible = rng.choice([0, 1, 2], size=keypoints, p=[0.2, 0.2, 0.6])
            for (x, y), v, colour in zip(points, visible, colours, strict=True):
                if v == 2:
                    cv2.circle(picture, (int(x), int(y)), 3, colour, -1)
            points[visible == 0] = 0
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": index + 1,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [left, 10, 65, 100],
                    "area": 65 * 100,
                    "num_keypoints": int((visible > 0).sum()),
                    "keypoints": np.c_[points, visible].reshape(-1).tolist(),
                }
            )
        cv2.imwrite(str(folder / "images" / name), picture)
    (folder / "crowd.json").write_text(json.dumps(content))
    return content
