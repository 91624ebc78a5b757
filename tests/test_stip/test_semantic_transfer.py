import pytest
import torch

from mmktn.stip import SemanticTransfer

K, D = 3, 4


def run(fuse="mul", with_graph=True):
    """Module in eval mode, its inputs and result; initial maps are twice as large."""
    torch.manual_seed(0)
    module = SemanticTransfer(D, K, fuse=fuse, with_graph=with_graph).eval()
    features, initial = torch.randn(2, D, 4, 3), torch.randn(2, K, 8, 6)
    with torch.no_grad():
        return module, features, initial, module(features, features, initial)


def halve(x):
    """Bilinear halving without aligned corners is the mean of each 2x2 block."""
    return x.unflatten(-2, (-1, 2)).unflatten(-1, (-1, 2)).mean((-3, -1))


def test_context_embedding_by_hand():
    module, features, _, result = run()
    head = module.context_head
    conv = torch.nn.functional.conv2d(features, head.conv.conv.weight, padding=1)
    pooled = (conv / (1 + 1e-5) ** 0.5).relu().mean((2, 3))
    expected = (pooled @ head.linear.weight.T / (1 + 1e-5) ** 0.5).relu()
    torch.testing.assert_close(result.context, expected)


def test_transfer_matrix_multiplies_by_the_graph_as_the_code_does():
    _, features, initial, result = run("mul")
    graph = torch.zeros(2, 1, 4, 3)
    for b in range(2):
        for y in range(4):
            for x in range(3):
                graph[b, 0, y, x] = torch.sigmoid(result.context[b] @ features[b, :, y, x])
    torch.testing.assert_close(result.graph, graph)
    torch.testing.assert_close(result.transfer_matrix, halve(initial) * graph)


def test_transfer_matrix_adds_the_graph_as_the_figure_does():
    _, _, initial, result = run("add")
    torch.testing.assert_close(result.transfer_matrix, halve(initial) + result.graph)


def test_without_graph_the_matrix_is_the_initial_map():
    _, _, initial, result = run(with_graph=False)
    assert result.graph is None
    torch.testing.assert_close(result.transfer_matrix, halve(initial))


def test_soft_mapping_weights_the_embeddings_of_the_classifier():
    module, _, _, result = run()
    embeddings = module.keypoint_classifier.weight
    expected = sum(
        result.transfer_matrix[:, k, None] * embeddings[k, None, :, None, None].squeeze(0)
        for k in range(K)
    )
    torch.testing.assert_close(result.semantic_map, expected)


def test_classifier_learns_through_its_embeddings_too():
    torch.manual_seed(0)
    module = SemanticTransfer(D, K).eval()
    features = torch.randn(1, D, 4, 3)
    result = module(features, features, torch.randn(1, K, 8, 6))
    result.features.sum().backward()
    assert module.keypoint_classifier.weight.grad.abs().sum() > 0
    # The bias only enters the presence logits.
    assert module.keypoint_classifier.bias.grad is None


def test_unknown_fusion_is_refused():
    with pytest.raises(ValueError, match=r"fuse must be 'mul' or 'add', got 'cat'"):
        SemanticTransfer(D, K, fuse="cat")
