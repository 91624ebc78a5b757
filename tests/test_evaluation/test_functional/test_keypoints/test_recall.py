import numpy as np
import pytest

from mmktn.evaluation.functional.keypoints.recall import (
    aligned_scores,
    batch_mean_recall,
    keypoint_recall,
    recall_table,
)

SCORES = np.array([[0.95, 0.5, 0.2], [0.1, 0.85, 0.05]])
LABELLED = np.array([[True, True, False], [True, True, True]])


def test_recall_by_hand():
    found = keypoint_recall(SCORES, LABELLED, thresholds=np.array([0.1, 0.5, 0.9]))
    # labelled scores .95 .5 .1 .85 .05: four reach 0.1 (equal counts), three 0.5, one 0.9
    np.testing.assert_allclose(found, [4 / 5, 3 / 5, 1 / 5])


def test_recall_falls_with_the_threshold():
    rng = np.random.default_rng(0)
    found = keypoint_recall(rng.random((50, 14)), rng.random((50, 14)) > 0.3)
    assert (np.diff(found) <= 0).all()


def test_mean_of_batches_differs_from_the_global_ratio():
    limits = np.array([0.5])
    batches = batch_mean_recall(SCORES, LABELLED, np.array([7, 3]), thresholds=limits)
    assert batches[0] == pytest.approx((1 + 1 / 3) / 2)
    together = batch_mean_recall(SCORES, LABELLED, np.array([7, 7]), thresholds=limits)
    assert together[0] == pytest.approx(3 / 5)


def test_batches_without_labelled_keypoints_are_left_out():
    labelled = np.array([[True, True, False], [False, False, False]])
    limits, batches = np.array([0.9]), np.array([0, 1])
    assert batch_mean_recall(SCORES, labelled, batches, thresholds=limits)[0] == 0.5
    nothing = np.zeros_like(labelled)
    assert batch_mean_recall(SCORES, nothing, batches, thresholds=limits)[0] == -1


def test_nothing_labelled_is_undefined():
    assert (keypoint_recall(SCORES, np.zeros_like(LABELLED)) == -1).all()


def test_table_names_threshold_split_and_cuts():
    table = recall_table(SCORES, LABELLED, crowd_index=np.array([0.15, 0.9]))
    assert table["recall@0.5"] == pytest.approx(3 / 5)
    assert table["recall@0.5_easy_code0.2-0.8"] == 1
    assert table["recall@0.5_easy_paper0.1-0.8"] == -1
    assert table["recall@0.5_medium_paper0.1-0.8"] == 1
    assert table["recall@0.9_hard_code0.2-0.8"] == 0


def test_results_are_sorted_by_annotation():
    entries = [{"annotation_id": 7, "keypoints": [0, 0, 0.3, 0, 0, 0.4]}]
    found = aligned_scores(entries, np.array([5, 7]), 2)
    assert found.tolist() == [[0, 0], [0.3, 0.4]]
    with pytest.raises(ValueError, match="entry 0: unknown annotation_id 7"):
        aligned_scores(entries, np.array([5]), 2)
    with pytest.raises(ValueError, match="entry 0: no field 'annotation_id'"):
        aligned_scores([{"keypoints": []}], np.array([5]), 2)


def test_scores_must_be_numbers_of_the_right_shape():
    with pytest.raises(ValueError, match="scores are"):
        keypoint_recall(SCORES, LABELLED[:1])
    with pytest.raises(ValueError, match="not finite"):
        keypoint_recall(SCORES * np.nan, LABELLED)
