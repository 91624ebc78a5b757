import json

import numpy as np
import pytest

from mmktn.surface.relations import keypoint_rules, part_rules
from tests.command_line import refused
from tests.tool_modules import tool_module

rs = tool_module("projects/relations/relation_statistics.py")


def _relation(subject: str, other: str, *, names: bool = False) -> dict:
    if names:
        return {"subject": {"names": [subject, "x"]}, "object": {"names": [other]}}
    return {"subject": {"name": subject}, "object": {"name": other}}


@pytest.fixture
def relationships(tmp_path):
    images = [
        {
            "image_id": 1,
            "relationships": [
                _relation("hand", "arm"),
                _relation("wrist", "hand", names=True),
                _relation("person", "head"),
            ],
        },
        {"image_id": 2, "relationships": []},
        {
            "image_id": 3,
            "relationships": [
                _relation("body", "leg"),
                _relation("wrist", "glove"),
                _relation("tree", "sky"),
                _relation("hands", "cup"),
            ],
        },
    ]
    file = tmp_path / "relationships.json"
    file.write_text(json.dumps(images, indent=1))
    return file


def _count(kind: str, counts: np.ndarray) -> dict[tuple[str, str], float]:
    return {
        (rs.BASE_WORDS[kind][i], rs.SURFACE_WORDS[j]): counts[i, j] for i, j in np.argwhere(counts)
    }


def test_words_are_read_from_name_or_first_of_names(relationships):
    words = list(rs.iterate_relation_words(relationships))
    assert words[:3] == [{"hand", "arm"}, {"wrist", "hand"}, {"person", "head"}]
    assert len(words) == 7


def test_counts_by_hand(relationships):
    counts = rs.count_relations(rs.iterate_relation_words(relationships))
    assert _count("keypoint", counts["keypoint"]) == {
        # {hand, arm}: arm is related to elbow, hand to wrist
        ("elbow", "hand"): 1,
        ("elbow", "arm"): 1,
        ("wrist", "arm"): 1,
        # and {wrist, hand} directly, {wrist, glove} through the glove of a hand
        ("wrist", "hand"): 3,
        # {body, leg}: body is related to shoulder
        ("shoulder", "leg"): 1,
    }
    assert _count("part", counts["part"]) == {
        # {hand, arm} counts four times; {wrist, hand}, {person, head}, {body, leg} on the diagonal
        ("hand", "hand"): 2,
        ("hand", "arm"): 1,
        ("arm", "hand"): 1,
        ("arm", "arm"): 1,
        ("head", "head"): 1,
        ("leg", "leg"): 1,
    }
    assert _count("box", counts["box"]) == {("person", "head"): 1, ("person", "leg"): 1}


def test_keypoint_expansion_copies_to_both_sides():
    counts = np.zeros((9, 6))
    counts[rs.KEYPOINT_WORDS.index("wrist"), rs.SURFACE_WORDS.index("hand")] = 3
    expanded = rs.expand_counts("keypoint", counts)
    assert expanded.shape == (17, 24)
    assert np.argwhere(expanded).tolist() == [[9, 2], [9, 3], [10, 2], [10, 3]]
    assert expanded.max() == 3


def test_part_expansion_both_and_official():
    counts = np.zeros((6, 6))
    leg = rs.SURFACE_WORDS.index("leg")
    counts[leg, leg] = 5
    both = rs.expand_counts("part", counts)
    assert np.unique(np.argwhere(both)[:, 0]).tolist() == [5, 6, 7, 8]
    assert (both[5:9, 6:14] == 5).all()
    official = rs.expand_counts("part", counts, part_expand="official")
    left, right = [7, 9, 11, 13], [6, 8, 10, 12]
    for upper in (5, 6):
        assert np.flatnonzero(official[upper]).tolist() == left
    for lower in (7, 8):
        assert np.flatnonzero(official[lower]).tolist() == right


def test_unknown_expansion_is_named():
    with pytest.raises(ValueError, match="'left'"):
        rs.expand_counts("part", np.zeros((6, 6)), part_expand="left")


def test_normalisation_by_hand_with_zero_over_zero():
    counts = np.array([[4.0, 0, 0], [1, 3, 0]])
    expected = np.array([[4 / np.sqrt(4 * 5), 0, 0], [1 / np.sqrt(4 * 5), 3 / np.sqrt(4 * 3), 0]])
    np.testing.assert_allclose(rs.normalise_counts(counts), expected)
    # one row alone: root of its share
    np.testing.assert_allclose(rs.normalise_counts(np.array([[1.0, 3.0]])), [[0.5, np.sqrt(0.75)]])


def _one_hot_vectors() -> dict[str, np.ndarray]:
    words = sorted(rs.needed_words())
    return dict(zip(words, np.eye(len(words)), strict=True))


def test_similarity_is_the_share_of_equal_words_for_orthogonal_vectors():
    vectors = _one_hot_vectors()
    keypoint = rs.semantic_similarity("keypoint", vectors)
    # left wrist and chart 4 "left hand" share the side; no keypoint shares the word
    assert keypoint.shape == (17, 24)
    assert keypoint[9, 3] == pytest.approx(1 / 2)
    assert keypoint[9, 2] == pytest.approx(0)
    part = rs.semantic_similarity("part", vectors)
    # "full right hand" with "full right hand", "full left hand", "full left head"
    np.testing.assert_allclose(part[1, [2, 3, 22]], [1, 2 / 3, 1 / 3], atol=1e-12)
    box = rs.semantic_similarity("box", vectors)
    np.testing.assert_allclose(box, np.full((1, 24), 1 / 3))


@pytest.fixture
def glove(tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "glove.txt"
    lines = [
        f"{w} " + " ".join(f"{x:.4f}" for x in rng.normal(size=4))
        for w in sorted(rs.needed_words())
    ]
    file.write_text("\n".join(["the 1 2 3 4", *lines]) + "\n")
    return file


def test_matrices_combine_the_three_parts(relationships, glove):
    matrices = rs.build_relation_matrices(relationships, glove)
    assert {k: m.shape for k, m in matrices.items()} == {
        "keypoint": (17, 25),
        "part": (15, 25),
        "box": (6, 25),
    }
    vectors = rs.load_word_vectors(glove)
    counts = rs.count_relations(rs.iterate_relation_words(relationships))
    for kind, rules in (("keypoint", keypoint_rules()), ("part", part_rules())):
        statistics = rs.normalise_counts(rs.expand_counts(kind, counts[kind]))
        expected = 0.3 * (statistics + rs.semantic_similarity(kind, vectors) + rules)
        np.testing.assert_allclose(matrices[kind][-len(rules) :, 1:], expected)
        assert not matrices[kind][:, 0].any()
    assert not matrices["part"][0].any()
    box = 0.5 * (
        rs.normalise_counts(rs.expand_counts("box", counts["box"]))
        + rs.semantic_similarity("box", vectors)
    )
    np.testing.assert_allclose(matrices["box"][:, 1:], np.repeat(box, 6, axis=0))


def test_long_files_are_read_in_pieces(tmp_path):
    images = [{"relationships": [_relation("hand", "arm")] * 3}] * 400
    file = tmp_path / "r.json"
    file.write_text(json.dumps(images))
    assert len(list(rs._stream_list(file, block=777))) == 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "JSON list"),
        ('[{"relationships": []}', "ends early"),
        ('[{"image_id": 1}]', "image 0 has no list"),
        ('[{"relationships": [{"subject": {"name": "a"}}]}]', "relationship 0: 'object'"),
    ],
)
def test_damaged_relationships_are_named(tmp_path, text, message):
    file = tmp_path / "r.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        list(rs.iterate_relation_words(file))


def test_missing_files_and_words_are_named(tmp_path, glove):
    with pytest.raises(FileNotFoundError, match="Visual Genome"):
        list(rs.iterate_relation_words(tmp_path / "no.json"))
    with pytest.raises(FileNotFoundError, match="word vectors"):
        rs.load_word_vectors(tmp_path / "no.txt")
    lines = glove.read_text().splitlines()
    glove.write_text("\n".join(line for line in lines if not line.startswith("ankle ")))
    with pytest.raises(ValueError, match="no vector for ankle"):
        rs.load_word_vectors(glove)
    glove.write_text("\n".join([*lines, "torso a b"]))
    with pytest.raises(ValueError, match="is no word vector"):
        rs.load_word_vectors(glove)
    glove.write_text("\n".join([*lines, "torso 1 2"]))
    with pytest.raises(ValueError, match="different lengths"):
        rs.load_word_vectors(glove)


def test_relations_are_written(tmp_path):
    relation = {"subject": {"name": "hand"}, "object": {"name": "arm"}}
    words = tmp_path / "relationships.json"
    words.write_text(json.dumps([{"relationships": [relation]}]))
    vectors = tmp_path / "glove.txt"
    vectors.write_text("".join(f"{w} 1 {i}\n" for i, w in enumerate(sorted(rs.needed_words()))))
    main = tool_module("projects/relations/build_relations.py").main
    assert main([*map(str, (words, vectors, "--out", tmp_path / "r.npz"))]) == 0
    with np.load(tmp_path / "r.npz") as stored:
        assert {k: stored[k].shape for k in stored} == {
            "keypoint": (17, 25),
            "part": (15, 25),
            "box": (6, 25),
        }
    refused(main, [words, vectors, "--out", tmp_path / "r.npz"], "exists")
    refused(main, [words, vectors, "--out", words, "--overwrite"], "is an input")
    for content in ("[" * 10**5, "{}", '[{"relationships": [1]}]', '[{"relationships": 5}]'):
        words.write_text(content)
        refused(main, [words, vectors, "--out", tmp_path / "x.npz"], "relationships.json")
    assert not (tmp_path / "x.npz").exists()
