"""Entries of an annotation file chosen by an expression, which is read and never run.

`iscrowd == 0 and area > 5000 and num_points >= 50`: names are fields of an annotation, of its image
(`image.width`), of its category (`category.name`), or the quantities of `QUANTITIES`. Python's
parser reads the text; what it finds is looked up here, and anything but comparisons, arithmetic,
`and`, `or`, `not` and `in` is refused.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from mmktn.utils.user_error import UserError

MAX_LENGTH = 1000
_MAX_DEPTH = 40
_MAX_TEXT = 10000

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
}


def _side(place: int) -> Callable[[Mapping[str, Any]], Any]:
    return lambda entry: entry["bbox"][place]


QUANTITIES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "x": _side(0),
    "y": _side(1),
    "width": _side(2),
    "height": _side(3),
    "num_points": lambda entry: len(entry.get("dp_x") or ()),
    "has_densepose": lambda entry: entry.get("dp_x") is not None,
    "has_vertices": lambda entry: entry.get("dp_vertex") is not None,
    "has_masks": lambda entry: bool(entry.get("dp_masks")),
    "has_segmentation": lambda entry: bool(entry.get("segmentation")),
    "num_charts": lambda entry: len(set(entry.get("dp_I") or ())),
}
"""Name -> what it says of an annotation, beside the fields of the file."""


class Query:
    """A parsed expression.

    Args:
        text: The expression; empty: every entry.

    Raises:
        UserError: It cannot be read, or asks for more than comparisons; the text says where.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._tree: ast.expr | None = None
        if not self.text:
            return
        if len(self.text) > MAX_LENGTH:
            raise UserError(f"query: {len(self.text)} characters, at most {MAX_LENGTH} are read")
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = getattr(error, "offset", None)
            where = f" near character {place}" if place else ""
            raise UserError(f"query {self.text!r} cannot be read{where}") from error
        _check(self._tree, 0)

    def matches(
        self,
        entry: Mapping[str, Any],
        image: Mapping[str, Any] | None = None,
        category: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether an annotation is chosen.

        Args:
            entry: The annotation.
            image: Its image.
            category: Its category.

        Returns:
            False also where a field is missing or has another type than the expression asks for.
        """
        if self._tree is None:
            return True
        scope = {"": entry, "image": image or {}, "category": category or {}}
        try:
            return bool(_value(self._tree, scope))
        except (_MissingError, TypeError, ZeroDivisionError, OverflowError, IndexError, KeyError):
            return False


class _MissingError(Exception):
    """A field that an entry does not have."""


def chosen(data: Mapping[str, Any], query: Query) -> Iterator[tuple[dict, dict, dict]]:
    """Yield the annotations of a file that a query chooses, with their images and categories.

    Args:
        data: Content of a COCO file.
        query: The query.

    Yields:
        (annotation, image, category) in file order; unknown images and categories are empty.

    Raises:
        UserError: An id is a list or an object.
    """
    images = {_id(image, "id", "images"): image for image in data.get("images", ())}
    categories = {_id(entry, "id", "categories"): entry for entry in data.get("categories", ())}
    for entry in data.get("annotations", ()):
        image = images.get(_id(entry, "image_id", "annotations"), {})
        category = categories.get(_id(entry, "category_id", "annotations"), {})
        if query.matches(entry, image, category):
            yield entry, image, category


def _id(record: Mapping[str, Any], field: str, where: str) -> Hashable:
    value = record.get(field)
    if not isinstance(value, Hashable):
        raise UserError(f"{where}: {field} {str(value)[:40]} is no number")
    return value


def _check(node: ast.AST, depth: int) -> None:
    """Refuse what is neither a comparison nor arithmetic.

    Raises:
        UserError: It is not; the text names it.
    """
    if depth > _MAX_DEPTH:
        raise UserError(f"query: nested deeper than {_MAX_DEPTH}")
    allowed = (ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Name, ast.Constant,
               ast.Attribute, ast.List, ast.Tuple)  # fmt: skip
    if not isinstance(node, allowed):
        raise UserError(
            f"query: {ast.unparse(node)[:60]!r} is not allowed; write comparisons, + - * / %, and, "
            "or, not, in"
        )
    if isinstance(node, ast.Attribute):
        if not isinstance(node.value, ast.Name) or node.value.id not in ("image", "category"):
            raise UserError(
                f"query: {ast.unparse(node)[:60]!r}: before a dot stands image or category"
            )
        return
    if isinstance(node, ast.BinOp) and type(node.op) not in _ARITHMETIC:
        raise UserError(f"query: {ast.unparse(node)[:60]!r}: only + - * / // % are known")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        raise UserError("query: ~ is not known; write not")
    if isinstance(node, ast.Compare) and any(type(op) not in _COMPARE for op in node.ops):
        raise UserError(f"query: {ast.unparse(node)[:60]!r}: write == in place of is")
    if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | None):
        raise UserError(f"query: {node.value!r}: numbers, text, True, False and None are known")
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _check(child, depth + 1)


def _value(node: ast.expr, scope: Mapping[str, Mapping[str, Any]]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return _look_up(node.id, scope[""], quantities=True)
    if isinstance(node, ast.Attribute):
        assert isinstance(node.value, ast.Name)
        return _look_up(node.attr, scope[node.value.id], quantities=False)
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item, scope) for item in node.elts]
    if isinstance(node, ast.BoolOp):
        values = (_truth(item, scope) for item in node.values)
        return all(values) if isinstance(node.op, ast.And) else any(values)
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            return not _truth(node.operand, scope)
        number = _value(node.operand, scope)
        return -number if isinstance(node.op, ast.USub) else +number
    if isinstance(node, ast.BinOp):
        return _arithmetic(node.op, _value(node.left, scope), _value(node.right, scope))
    assert isinstance(node, ast.Compare)
    left = _value(node.left, scope)
    for compare, right_node in zip(node.ops, node.comparators, strict=True):
        right = _value(right_node, scope)
        if not _COMPARE[type(compare)](left, right):
            return False
        left = right
    return True


def _truth(node: ast.expr, scope: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return the value of a part of `and`, `or`, `not`; a missing field is not true."""
    try:
        return bool(_value(node, scope))
    except (_MissingError, TypeError, ZeroDivisionError, IndexError, KeyError):
        return False


def _arithmetic(kind: ast.operator, left: Any, right: Any) -> Any:
    """Return the numbers alone: text and lists times a number could fill the memory."""
    for side in (left, right):
        if not isinstance(side, int | float) or abs(side) > 1e300 or math.isnan(side):
            raise TypeError("no number")
    return _ARITHMETIC[type(kind)](left, right)


def _look_up(name: str, record: Mapping[str, Any], *, quantities: bool) -> Any:
    if name in record:
        return record[name]
    if quantities and name in QUANTITIES:
        return QUANTITIES[name](record)
    raise _MissingError(name)


def shown_fields(entry: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Shorten fields of an entry to texts, empty where it has none; `image.x` is not looked up."""
    found = {}
    for name in names:
        try:
            value = _look_up(name, entry, quantities=True)
        except (_MissingError, KeyError, TypeError, IndexError):
            value = ""
        text = f"{value:g}" if isinstance(value, float) else str(value)[:_MAX_TEXT]
        found[name] = text if len(text) <= 40 else text[:37] + "..."
    return found
