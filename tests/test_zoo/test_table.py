"""The table of published models, and how they are found in it."""

import re
from urllib.parse import urlsplit

import pytest

from mmktn.utils.user_error import UserError
from mmktn.zoo.table import (
    DEFAULT,
    config_file,
    find_model,
    is_model_name,
    is_no_config,
    zoo_models,
)


def test_all_official_models_are_listed():
    official = [m for m in zoo_models() if m.form == "detectron2" and m.address]
    assert sum(m.kind == "charts" for m in official) == 27
    assert sum(m.kind == "CSE" for m in official) == 14
    assert all(m.licence == ("CC BY-SA 3.0" if m.kind == "charts" else None) for m in official)
    assert all(re.fullmatch(r"model_final_[0-9a-f]{6}\.pkl", m.file_name) for m in official)


def test_one_row_has_the_pin_that_is_publicly_known():
    (pinned,) = [m for m in zoo_models() if m.sha256]
    assert pinned.name == "densepose-rcnn_r50_fpn_s1x"
    assert pinned.pin.bytes == 255757821
    assert pinned.pin.sha256.startswith("b8a7382001b16e453bad95ca9dbc68ae")


def test_names_and_aliases_are_of_one_model_each():
    seen = {}
    for model in zoo_models():
        for name in {n.lower().replace("_", "-") for n in (model.name, *model.aliases)}:
            assert seen.setdefault(name, model.name) == model.name
        assert find_model(model.name) is model


@pytest.mark.parametrize("model", zoo_models(), ids=lambda m: m.name)
def test_rows_are_whole(model):
    assert model.form in ("detectron2", "mmpose", "stip", "mmktn")
    assert model.kind in ("charts", "CSE", "keypoints")
    assert model.file_name.endswith((".pkl", ".pth"))
    assert model.page
    if model.address:
        assert urlsplit(model.address).scheme == "https"
    else:
        assert model.get or model.shipped_file
    assert all(0 < value <= 100 for value in model.metrics.values())
    assert not model.metrics or model.data


@pytest.mark.parametrize(
    "name",
    [
        "densepose-rcnn_r50_fpn_s1x",
        "densepose-rcnn_r50_fpn_s1x_dp-coco",
        "densepose_rcnn_R_50_FPN_s1x",
        "DENSEPOSE_RCNN_R_50_FPN_S1X",
        "model_final_162be9.pkl",
        "165712039",
        "mmktn://densepose-rcnn_r50_fpn_s1x",
    ],
)
def test_a_model_is_found_by_each_of_its_names(name):
    assert find_model(name).sha256
    assert is_model_name(name)


def test_the_address_is_a_name_too():
    model = find_model("densepose-rcnn_r50_fpn_s1x")
    assert find_model(model.address) is model


def test_a_config_that_several_share_finds_the_first():
    assert find_model("td-hm_hrnet-w32_4xb32-210e_crowdpose-256x192").form == "mmpose"
    assert "3x" not in find_model("densepose-rcnn-dl-wc1m_r50_fpn_s1x_dp-coco").name


def test_an_unknown_name_offers_similar_ones():
    with pytest.raises(UserError, match=r"similar: densepose-rcnn_r50_fpn_s1x, .*mmktn models"):
        find_model("densepose-rcn_r50_fpn")
    with pytest.raises(UserError, match=r"named 'zzz' \(python"):
        find_model("mmktn://zzz"[len("mmktn://") :])


def test_what_counts_as_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_no_config("densepose-rcnn_r50")
    assert is_no_config("mmktn://anything")
    for other in ("a.py", "mmktn::a.py", "folder/name", tmp_path / "x", "C.yaml"):
        assert not is_no_config(other)
    assert not is_model_name("checkpoint.pth")
    # A file that is there wins over the name that it has in the table.
    (tmp_path / "model_final_162be9.pkl").write_bytes(b"")
    assert not is_model_name("model_final_162be9.pkl")


def test_configs_are_found_by_their_files():
    found = {m.name: config_file(m) for m in zoo_models()}
    for name in ("densepose-rcnn-dl_r101_fpn_s1x", "ktn2_r50_fpn_s1x"):
        assert found[name].stem == f"{name}_dp-coco"
    assert all(found[m.name] for m in zoo_models() if m.form in ("stip", "mmpose"))
    assert find_model("default").name == DEFAULT
