"""Statistical and word-vector parts of the relation matrices, rebuilt from a user's own files.

Source: construction script of the KTN v2 knowledge graph (KTN, TCSVT 2022). Co-occurrence counts
come from Visual Genome relationships, similarities from GloVe vectors. Departures: 0 / 0 is 0
instead of nan; ``part_expand='both'`` repairs the published expansion of leg and arm rows, which
fills only one side ('official' keeps it).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.relations import (
    NUM_BOX_ROWS,
    RELATION_KINDS,
    RULE_WEIGHT,
    keypoint_rules,
    part_rules,
)
from mmktn.utils.user_error import UserError

Matrix = NDArray[np.float64]

SURFACE_WORDS = ("torso", "hand", "foot", "leg", "arm", "head")
KEYPOINT_WORDS = (
    "nose",
    "eye",
    "ear",
    "shoulder",
    "elbow",
    "wrist",
    "hip",
    "knee",
    "ankle",
)
BASE_WORDS: dict[str, tuple[str, ...]] = {
    "keypoint": KEYPOINT_WORDS,
    "part": SURFACE_WORDS,
    "box": ("person",),
}
PART_EXPANSIONS = ("both", "official")
BOX_WEIGHT = 0.5

_RELATED_PARTS: dict[str, tuple[str, ...]] = {
    "torso": ("body", "shoulder", "hip"),
    "hand": ("glove", "gesture"),
    "foot": ("ankle",),
    "leg": (),
    "arm": ("elbow",),
    "head": ("brain", "neck"),
}
RELATED_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "keypoint": {
        "nose": (),
        "eye": (),
        "ear": (),
        "shoulder": ("torso", "body"),
        "elbow": ("arm",),
        "wrist": ("hand", "forearm"),
        "hip": ("buttocks", "arse", "ass", "thigh"),
        "knee": ("lap", "crus", "shank", "shin"),
        "ankle": ("ankle", "foot"),
    },
    "part": _RELATED_PARTS,
    "box": {"person": ("body", "human")},
    "surface": _RELATED_PARTS,
}

_SIDES = ("left", "right")
# (side, word) of charts 1..24 as the published script names them; it calls chart 23 the left half
# of the head, which changes nothing but the side's word vector
CHART_WORDS: tuple[tuple[str, str], ...] = (
    ("back", "torso"),
    ("front", "torso"),
    ("right", "hand"),
    ("left", "hand"),
    ("left", "foot"),
    ("right", "foot"),
    *(((side, "leg")) for _ in range(4) for side in ("right", "left")),
    *(((side, "arm")) for _ in range(4) for side in ("left", "right")),
    ("left", "head"),
    ("right", "head"),
)
# (level, side, word) of coarse parts 1..14
PART_NODES: tuple[tuple[str, str, str], ...] = (
    ("full", "middle", "torso"),
    ("full", "right", "hand"),
    ("full", "left", "hand"),
    ("full", "left", "foot"),
    ("full", "right", "foot"),
    ("upper", "right", "leg"),
    ("upper", "left", "leg"),
    ("lower", "right", "leg"),
    ("lower", "left", "leg"),
    ("upper", "left", "arm"),
    ("upper", "right", "arm"),
    ("lower", "left", "arm"),
    ("lower", "right", "arm"),
    ("full", "middle", "head"),
)
KEYPOINT_NODES: tuple[tuple[str, str], ...] = (
    ("middle", "nose"),
    *((side, word) for word in KEYPOINT_WORDS[1:] for side in _SIDES),
)
# which of the two charts of a word the published expansion of leg and arm rows fills
_OFFICIAL_SIDES = {"upper": ("left", "back"), "lower": ("right", "front")}
# Characters of the relations of one image; the largest of Visual Genome have some 100 000.
_LONGEST_ELEMENT = 1 << 26


def iterate_relation_words(path: str | Path) -> Iterator[frozenset[str]]:
    """Names of subject and object of every relation in a Visual Genome relationships.json.

    The file is read piece by piece.

    Args:
        path: relationships.json: a list of images, each with a list "relationships".

    Yields:
        The set of the two names.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such a file; the text names the image and the field.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"Visual Genome relationships: no file {file}")
    for number, image in enumerate(_stream_list(file)):
        relations = image.get("relationships") if isinstance(image, dict) else None
        if not isinstance(relations, list):
            raise UserError(f"{file}: image {number} has no list 'relationships'")
        for place, relation in enumerate(relations):
            where = f"{file}: image {number}, relationship {place}"
            yield frozenset(_name(relation, role, where) for role in ("subject", "object"))


def _name(relation: Mapping[str, Any], role: str, where: str) -> str:
    thing = relation.get(role) if isinstance(relation, dict) else None
    if isinstance(thing, dict):
        if thing.get("name"):
            return str(thing["name"])
        if thing.get("names") and isinstance(thing["names"], list):
            return str(thing["names"][0])
    raise UserError(f"{where}: {role!r} has neither 'name' nor 'names'")


def _stream_list(file: Path, block: int = 1 << 20) -> Iterator[Any]:
    """Elements of a JSON list without holding the whole list."""
    decoder = json.JSONDecoder()
    with _named_text_errors(file), open(file, encoding="utf-8-sig") as handle:
        text = handle.read(block).lstrip()
        if not text.startswith("["):
            raise UserError(f"{file}: expected a JSON list")
        text = text[1:]
        while True:
            text = text.lstrip().removeprefix(",").lstrip()
            if text.startswith("]"):
                return
            try:
                element, end = decoder.raw_decode(text)
            except json.JSONDecodeError as error:
                more = handle.read(block)
                if not more or len(text) > _LONGEST_ELEMENT:
                    raise UserError(f"{file}: JSON ends early or is damaged ({error})") from error
                text += more
                continue
            yield element
            text = text[end:]


@contextmanager
def _named_text_errors(file: Path) -> Iterator[None]:
    """Name the file of text that is no UTF-8 or nested without end."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: no text in UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise UserError(f"{file}: lists are nested too deep") from error


def count_relations(words: Iterable[frozenset[str]]) -> dict[str, Matrix]:
    """Co-occurrence counts of base words.

    For each relation the first test that holds counts: base word of the node with base word of a
    chart; related word of a node with base word of a chart; base word of a node with related word
    of a chart.

    Args:
        words: Names of subject and object of each relation.

    Returns:
        "keypoint" (9, 6), "part" (6, 6), "box" (1, 6).
    """
    counts: dict[str, Matrix] = {
        kind: np.zeros((len(BASE_WORDS[kind]), len(SURFACE_WORDS))) for kind in RELATION_KINDS
    }
    for pair in words:
        charts = [j for j, word in enumerate(SURFACE_WORDS) if word in pair]
        related_charts = _owners("surface", SURFACE_WORDS, pair)
        if not charts and not related_charts:
            continue
        for kind, matrix in counts.items():
            nodes = [i for i, word in enumerate(BASE_WORDS[kind]) if word in pair]
            if nodes and charts:
                rows, columns = nodes, charts
            elif charts and (owners := _owners(kind, BASE_WORDS[kind], pair)):
                rows, columns = owners, charts
            else:
                rows, columns = nodes, related_charts
            for row in rows:
                matrix[row, columns] += 1
    return counts


def _owners(kind: str, words: tuple[str, ...], pair: frozenset[str]) -> list[int]:
    """Indices of the words that have a related word in the pair."""
    related = RELATED_WORDS[kind]
    return [i for i, word in enumerate(words) if not pair.isdisjoint(related[word])]


def expand_counts(kind: str, counts: Matrix, *, part_expand: str = "both") -> Matrix:
    """Counts of base words spread over nodes and charts 1..24.

    Args:
        kind: "keypoint", "part" or "box".
        counts: (base words, 6).
        part_expand: "both" fills left and right charts of leg and arm rows; "official" fills, as
            the published script, only left (and back) charts of upper and only right (and front)
            charts of lower parts.

    Returns:
        (17, 24), (14, 24) or (1, 24).

    Raises:
        ValueError: Unknown ``part_expand``.
    """
    if part_expand not in PART_EXPANSIONS:
        raise ValueError(f"part_expand must be one of {PART_EXPANSIONS}, got {part_expand!r}")
    columns = [SURFACE_WORDS.index(word) for _, word in CHART_WORDS]
    if kind == "keypoint":
        rows = [KEYPOINT_WORDS.index(word) for _, word in KEYPOINT_NODES]
    elif kind == "part":
        rows = [SURFACE_WORDS.index(word) for _, _, word in PART_NODES]
    else:
        rows = [0]
    expanded = counts[np.ix_(rows, columns)]
    if kind == "part" and part_expand == "official":
        for row, (level, _, _) in enumerate(PART_NODES):
            sides = _OFFICIAL_SIDES.get(level)
            if sides is not None:
                expanded[row, [side not in sides for side, _ in CHART_WORDS]] = 0
    return expanded


def normalise_counts(counts: Matrix) -> Matrix:
    """Counts over the root of row sum times column sum; 0 where both are 0.

    Args:
        counts: (nodes, 24).

    Returns:
        (nodes, 24) in [0, 1].
    """
    scale = np.sqrt(counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True))
    return np.divide(counts, scale, out=np.zeros_like(counts), where=scale > 0)


def semantic_similarity(kind: str, vectors: Mapping[str, NDArray[np.floating]]) -> Matrix:
    """Cosine similarity of the concatenated word vectors of nodes and charts.

    Args:
        kind: "keypoint", "part" or "box".
        vectors: Word -> vector, see ``needed_words``.

    Returns:
        (17, 24), (14, 24) or (1, 24).
    """
    charts: list[tuple[str, ...]] = list(CHART_WORDS)
    nodes: list[tuple[str, ...]] = list(KEYPOINT_NODES)
    if kind != "keypoint":
        charts = [("full", *names) for names in CHART_WORDS]
        nodes = list(PART_NODES) if kind == "part" else [("full", "middle", "person")]
    left, right = (
        np.array(
            [
                np.concatenate([np.asarray(vectors[w], dtype=np.float64) for w in names])
                for names in group
            ]
        )
        for group in (nodes, charts)
    )
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return left @ right.T


def needed_words() -> set[str]:
    """Words whose vectors the similarities need."""
    groups = (*CHART_WORDS, *KEYPOINT_NODES, *PART_NODES, ("full", "middle", "person"))
    return {word for group in groups for word in group}


def load_word_vectors(path: str | Path) -> dict[str, NDArray[np.float64]]:
    """The needed vectors of a GloVe text file: a word and its numbers on each line.

    Args:
        path: The file, e.g. glove.6B.300d.txt.

    Returns:
        Word -> vector.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A needed word is missing, or a line is malformed.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"word vectors: no file {file}")
    wanted = needed_words()
    found: dict[str, NDArray[np.float64]] = {}
    with _named_text_errors(file), open(file, encoding="utf-8") as handle:
        for number, line in enumerate(handle, 1):
            word, _, rest = line.partition(" ")
            if word in wanted:
                try:
                    found[word] = np.array(rest.split(), dtype=np.float64)
                except ValueError as error:
                    raise UserError(f"{file}: line {number} is no word vector") from error
                if not np.isfinite(found[word]).all() or not found[word].any():
                    raise UserError(f"{file}: line {number} holds no finite vector beside 0")
    missing = sorted(wanted - set(found))
    if missing:
        raise UserError(f"{file}: no vector for {', '.join(missing)}")
    sizes = {len(vector) for vector in found.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise UserError(f"{file}: vectors of different lengths: {sorted(sizes)}")
    return found


def build_relation_matrices(
    relationships: str | Path, word_vectors: str | Path, *, part_expand: str = "both"
) -> dict[str, Matrix]:
    """The three relation matrices in full.

    Args:
        relationships: Visual Genome relationships.json.
        word_vectors: GloVe text file.
        part_expand: As in ``expand_counts``.

    Returns:
        "keypoint" (17, 25), "part" (15, 25), "box" (6, 25); background entries are 0.
    """
    vectors = load_word_vectors(word_vectors)
    counts = count_relations(iterate_relation_words(relationships))
    result = {}
    for kind, rules in (("keypoint", keypoint_rules()), ("part", part_rules()), ("box", None)):
        expanded = expand_counts(kind, counts[kind], part_expand=part_expand)
        total = normalise_counts(expanded) + semantic_similarity(kind, vectors)
        if rules is None:
            matrix = np.repeat(BOX_WEIGHT * total, NUM_BOX_ROWS, axis=0)
        else:
            matrix = RULE_WEIGHT * (total + rules)
        result[kind] = np.pad(matrix, ((int(kind == "part"), 0), (1, 0)))
    return result
