"""Takes functions and classes out of a notebook without running it: `lift(path, "CausalBlock").CausalBlock`.

Tests and benchmarks use the code that the reader sees.
"""

from __future__ import annotations

import ast
import builtins
import functools
import itertools
import linecache
import sys
import types
from pathlib import Path

import nbformat

_numbers = itertools.count()


class LiftError(LookupError):
    """A name is not in the notebook, or needs something that only running the notebook would make."""


def lift(path: str | Path, *names: str, **given: object) -> types.ModuleType:
    """Return a module with `names` out of a notebook, and all that they refer to; the cells are not run.

    Functions, classes, imports and constants (assignments of literals at the top level) are taken, the last definition
    of each name. `given` are values for names that the notebook computes, or that the caller wants to replace. Raises
    LiftError where a name is not defined, or refers to a value that the notebook computes and `given` lacks.
    """
    path = Path(path)
    source, defined, assigned = _read(path, path.stat().st_mtime_ns)
    chosen = _needed(names, defined, set(given), assigned, path)
    text = "\n\n".join(_source_of(node, source) for node in sorted(chosen, key=lambda node: node.lineno))
    return _run(text, path, given)


@functools.cache
def _read(path: Path, changed: int) -> tuple[str, dict[str, ast.stmt], set[str]]:
    """Return a notebook's code, its definitions and all names that it assigns; read once while it is unchanged."""
    source = code_of(path)
    tree = ast.parse(source, filename=str(path))
    return source, definitions(tree), _assigned(tree)


def code_of(path: str | Path) -> str:
    """Return the code of all code cells of a notebook, in order."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")


def definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    """Return the statements by which functions, classes, imports and constants of a notebook get their names."""
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update({(alias.asname or alias.name).split(".")[0]: node for alias in node.names})
        elif isinstance(node, ast.Assign) and _is_literal(node.value):
            found.update({target.id: node for target in node.targets if isinstance(target, ast.Name)})
    return found


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _assigned(tree: ast.Module) -> set[str]:
    stored = [node for statement in tree.body for node in ast.walk(statement)]
    return {node.id for node in stored if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _needed(names, defined: dict, given: set, computed: set, path: Path) -> set[ast.stmt]:
    chosen: set[ast.stmt] = set()
    waiting = [(name, None) for name in names]
    seen = set(given)
    while waiting:
        name, user = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in defined:
            chosen.add(defined[name])
            waiting += [(used, name) for used in _free_names(defined[name])]
        elif user is None:
            raise LiftError(f"{path.name} defines no '{name}'. It defines {', '.join(sorted(defined))}.")
        elif name in computed:
            raise LiftError(f"'{user}' in {path.name} uses '{name}', which the notebook computes: give it to lift().")
    return chosen


def _free_names(node: ast.stmt) -> set[str]:
    """Return the names a definition reads but does not bind itself (arguments, local variables and functions)."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign):
        return set()
    inside = list(ast.walk(node))
    read = {part.id for part in inside if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
    bound = {part.id for part in inside if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
    bound |= {part.arg for part in inside if isinstance(part, ast.arg)}
    bound |= {part.name for part in inside if isinstance(part, ast.ExceptHandler) and part.name}
    bound |= {part.name for part in inside if isinstance(part, ast.FunctionDef | ast.ClassDef) and part is not node}
    return read - bound - set(dir(builtins))


def _source_of(node: ast.stmt, source: str) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _run(text: str, path: Path, given: dict) -> types.ModuleType:
    """Execute the lifted text as a module whose source can be inspected (TensorFlow's AutoGraph does)."""
    name = f"lifted_{path.stem}_{next(_numbers)}"
    module = types.ModuleType(name, f"Lifted from {path.name}.")
    module.__file__ = f"{path}.{name}.py"
    module.__loader__ = types.SimpleNamespace(get_source=lambda _: text)
    linecache.lazycache(module.__file__, vars(module))
    sys.modules[name] = module
    vars(module).update(given)
    exec(compile(text, module.__file__, "exec"), vars(module))
    vars(module).update(given)  # an import of several names may have brought the notebook's own back
    return module
