"""The metafiles, which mim and the hosts' inferencers read, name the weights of the table."""

from pathlib import Path

import pytest
import yaml
from mmengine.infer import BaseInferencer

from mmktn.zoo.table import config_file, find_model, zoo_models

ROOT = Path(__file__).parents[2]
ENTRIES = {
    entry["Name"]: entry
    for path in ROOT.glob("configs/*/metafile.yml")
    for entry in yaml.safe_load(path.read_text())["Models"]
}
# Of several models that share a config an entry can name one.
FIRST = {model.config: model for model in reversed(zoo_models())}


def test_entries_name_the_weights_of_their_configs():
    wanted = {
        config: (model.address or f"mmktn://{model.name}")
        for config, model in FIRST.items()
        if config_file(model) and model.shipped_file is None
    }
    named = {name: entry["Weights"] for name, entry in ENTRIES.items() if "Weights" in entry}
    assert named.items() <= wanted.items()
    assert len(named) >= 14


def test_entries_have_the_names_of_the_table():
    for name, entry in ENTRIES.items():
        if "Weights" in entry:
            assert find_model(entry["Weights"]) == FIRST[name]
            assert all(find_model(alias) == FIRST[name] for alias in entry["Alias"])
            assert FIRST[name].name in (name, *entry["Alias"])


@pytest.mark.parametrize(
    "name", ["densepose_rcnn_R_50_FPN_s1x", "td-hm_hrnet-w32_crowdpose-256x192", "ktn2_r50_fpn_s1x"]
)
def test_the_hosts_inferencers_find_config_and_weights_by_name(name):
    class Named(BaseInferencer):
        scope = "mmktn"

        def __init__(self):
            pass

        _init_pipeline = visualize = postprocess = None

    cfg, weights = Named()._load_model_from_metafile(name)
    assert Path(cfg.filename).stem == find_model(name).config
    assert find_model(weights) is find_model(name)
