import torch

from mmktn.models.losses import reductions, zero_connected_to


def test_zero_is_connected_and_ignores_what_is_not_finite():
    maps = torch.full((2, 3), float("nan"), requires_grad=True)
    value = zero_connected_to(maps)
    assert value.item() == 0
    value.backward()
    assert torch.equal(maps.grad, torch.zeros(2, 3))


def test_one_process_has_the_whole_share():
    assert reductions.process_shares([3, 0], torch.device("cpu")) == [1.0, 1.0]


def test_shares_turn_local_means_into_parts_of_the_common_mean(monkeypatch):
    """Two processes with 3 and 1 items: their averaged, shared means equal the mean over 4."""
    local = {0: torch.tensor([1.0, 2.0, 6.0]), 1: torch.tensor([5.0])}
    monkeypatch.setattr(reductions, "get_world_size", lambda: 2)
    monkeypatch.setattr(reductions, "all_reduce", lambda tensor, op: tensor.fill_(2.0))
    parts = [
        values.mean() * reductions.process_shares([len(values)], torch.device("cpu"))[0]
        for values in local.values()
    ]
    torch.testing.assert_close(sum(parts) / 2, torch.cat(list(local.values())).mean())
