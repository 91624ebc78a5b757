"""Lists and fields of COCO files as scores read them: numbers may be written as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.shown import is_id, is_number, shown
from mmktn.utils.user_error import UserError


def record_list(data: Any, key: str, name: str) -> list[dict[str, Any]]:
    """Return a list of objects of a COCO file.

    Args:
        data: Content of the file.
        key: Name of the list.
        name: The file, for the message.

    Returns:
        The list.

    Raises:
        UserError: There is no such list, or an entry is no object.
    """
    entries = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(entries, list | tuple):
        raise UserError(f"{name}: no {key!r}, a list; a COCO annotation file is expected here")
    for place, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise UserError(f"{name}: entry no. {place} of {key!r} is no object: {shown(entry)}")
    return list(entries)


def whole_id(value: Any, where: str) -> int:
    """Return a whole number, also one written as text or as 7.0.

    Args:
        value: What the file has.
        where: Entry and field, for the message.

    Returns:
        The number.

    Raises:
        UserError: It is none, or has more than 64 bits.
    """
    try:
        number = int(value) if isinstance(value, str | int | np.integer) else None
    except ValueError:
        number = None
    if number is None and is_number(value) and float(value).is_integer():
        number = int(value)
    if isinstance(value, bool) or not is_id(number):
        raise UserError(f"{where} is no whole number of 64 bits: {shown(value)}")
    return int(number or 0)


def category_table(data: Mapping[str, Any], name: str) -> dict[int, str]:
    """Index the categories of a COCO dictionary.

    Args:
        data: COCO dictionary.
        name: Used in messages.

    Returns:
        Category id to name, by rising id.

    Raises:
        UserError: There are no categories.
    """
    categories: dict[int, str] = {}
    for place, entry in enumerate(record_list(data, "categories", name)):
        key = whole_id(entry.get("id"), f"{name}: category no. {place}: id")
        categories[key] = str(entry.get("name", key))
    if not categories:
        raise UserError(f"{name}: no 'categories'")
    return dict(sorted(categories.items()))


def numbers(values: Any, where: str) -> NDArray[np.float64]:
    """Read finite numbers, also those written as strings.

    Args:
        values: Number or nested lists of numbers.
        where: Entry and field, for the message.

    Returns:
        The array.

    Raises:
        ValueError: Something is no finite number.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UserError(f"{where}: not numbers: {shown(values)}") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{where}: not finite: {array[~np.isfinite(array)][:3].tolist()}")
    return array
