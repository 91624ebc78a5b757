import pytest
import torch

from mmktn.structures import SegmentationResult, SegmentationResults


def test_results_survive_indexing_cat_and_map():
    results = SegmentationResults(
        SegmentationResult(torch.full((2, k), k), (k, 9)) for k in range(1, 4)
    )
    assert [r.labels.shape[1] for r in results[torch.tensor([True, False, True])]] == [1, 3]
    both = SegmentationResults.cat([results, results[:1]])
    assert len(both) == 4
    more = results.map(lambda t: t + 1)[2]
    assert (more.labels == 4).all()
    assert more.xy == (3, 9)


def test_labels_have_two_axes():
    with pytest.raises(ValueError, match=r"labels: shape \(2,\)"):
        SegmentationResult(torch.zeros(2))
