"""Import hooks: act when a host module is imported, without importing it now.

`import mmktn` must stay light (no torch, no mmdet), yet repairs must be in place before a host
package runs. Two meta-path finders do that: one builds a stand-in module where no real one can be
found, one runs a callback right after a real module was executed.
"""

import importlib.abc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType


class _StandInLoader(importlib.abc.Loader):
    """Fill a fresh module with a builder instead of with a file."""

    def __init__(self, build: Callable[[ModuleType], None]) -> None:
        self._build = build

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._build(module)


class StandInFinder(importlib.abc.MetaPathFinder):
    """Answer imports of named modules with stand-ins.

    Args:
        builders: Dotted module name -> function that fills the new module.
        packages: Names among them that are packages (have sub-modules).
    """

    def __init__(
        self,
        builders: dict[str, Callable[[ModuleType], None]],
        *,
        packages: Sequence[str] = (),
    ) -> None:
        self._builders = builders
        self._packages = frozenset(packages)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the stand-in's spec, or None for a module that is not ours."""
        if fullname not in self._builders:
            return None
        return ModuleSpec(
            fullname,
            _StandInLoader(self._builders[fullname]),
            origin="mmktn stand-in",
            is_package=fullname in self._packages,
        )

    def install(self, *, force: bool) -> None:
        """Register the finder.

        Args:
            force: True puts it before the regular finders (the stand-in wins over a real module),
                False after them (the stand-in is used only where nothing else answers).
        """
        if force:
            sys.meta_path.insert(0, self)
        else:
            sys.meta_path.append(self)


class _CallbackLoader(importlib.abc.Loader):
    """Delegate to the real loader, with callbacks around the execution."""

    def __init__(self, loader: importlib.abc.Loader, callbacks: "_Callbacks") -> None:
        self._loader = loader
        self._callbacks = callbacks

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Tools that read the source through the loader (inspect, runpy) must see the real one.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        for callback in self._callbacks.before:
            callback()
        try:
            self._loader.exec_module(module)
        finally:
            for callback in self._callbacks.always:
                callback()
        for after in self._callbacks.after:
            after(module)


@dataclass
class _Callbacks:
    """What to call around one module's execution."""

    before: list[Callable[[], None]] = field(default_factory=list)
    always: list[Callable[[], None]] = field(default_factory=list)
    after: list[Callable[[ModuleType], None]] = field(default_factory=list)


class _ImportWatcher(importlib.abc.MetaPathFinder):
    """Run callbacks around the first import of named modules."""

    def __init__(self) -> None:
        self.callbacks: dict[str, _Callbacks] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname not in self.callbacks:
            return None
        spec = _first_real_spec(fullname, path)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _CallbackLoader(spec.loader, self.callbacks[fullname])
        return spec

    def watch(self, module: str) -> _Callbacks:
        """Return the callbacks of a module, making sure that this finder is asked first."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        return self.callbacks.setdefault(module, _Callbacks())


_WATCHER = _ImportWatcher()


def after_import(module: str, callback: Callable[[ModuleType], None]) -> None:
    """Call a function with the module once it is imported, or now if it already is.

    Args:
        module: Dotted name.
        callback: Receives the executed module; not called when its execution raised.
    """
    if module in sys.modules:
        callback(sys.modules[module])
    else:
        _WATCHER.watch(module).after.append(callback)


def around_import(module: str, before: Callable[[], None], always: Callable[[], None]) -> None:
    """Call one function right before and one right after a module's first execution.

    Args:
        module: Dotted name; must not be imported yet.
        before: Called without arguments.
        always: Called without arguments, also when the execution raised.

    Raises:
        RuntimeError: The module is imported already.
    """
    if module in sys.modules:
        raise RuntimeError(f"{module} is imported already; call this before the first import of it")
    callbacks = _WATCHER.watch(module)
    callbacks.before.append(before)
    callbacks.always.append(always)


def _first_real_spec(fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Ask every finder but ours."""
    for finder in sys.meta_path:
        if isinstance(finder, (StandInFinder, _ImportWatcher)):
            continue
        spec = finder.find_spec(fullname, path, None)
        if spec is not None:
            return spec
    return None


def real_spec(module: str) -> ModuleSpec | None:
    """Find the spec of a real (not stand-in) module without importing it or its parents.

    Args:
        module: Dotted name, for example ``"mmcv._ext"``.

    Returns:
        The spec, or None when no such module is installed.
    """
    path: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        spec = _first_real_spec(".".join(parts[:depth]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and depth < len(parts):
            return None
    return spec


def real_module(module: str) -> ModuleType:
    """Execute a real extension module apart from `sys.modules`, whatever stands in for it.

    Args:
        module: Dotted name, for example ``"mmcv._ext"``.

    Returns:
        The loaded module.

    Raises:
        ModuleNotFoundError: No such module is installed.
    """
    spec = real_spec(module)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no real module {module} is installed", name=module)
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
