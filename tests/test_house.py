"""The rules of the repository, checked in the source: allowed imports and modules that load no torch."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("data", "models", "evaluation", "pipeline", "ui")
MAY_IMPORT = {
    "data": set(),
    "models": {"data"},
    "evaluation": {"data"},
    "pipeline": {"data", "models", "evaluation"},
    "ui": {"data", "evaluation", "pipeline"},
    "app": {"data", "pipeline", "ui"},
}
HEAVY = {"torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate"}
# Folders whose modules load no torch and no models at import, because the page imports them. OWN_PROCESS
# names the modules in these folders that run in a separate process.
LIGHT_FOLDERS = (
    "pipeline.settings",
    "pipeline.runs",
    "pipeline.memory",
    "pipeline.arena",
    "pipeline.commands",
)
OWN_PROCESS = {"pipeline.arena.worker", "pipeline.arena.scoring"}
FORBIDDEN_NAMES = {"utils", "util", "common", "manager", "engine", "helpers", "registry"}


def modules():
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))
    if (ROOT / "app.py").exists():
        yield ROOT / "app.py"


def name_of(path):
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


def imports(tree):
    """(top-level package, line) of every import, including those inside functions."""
    for name, line in imported_names(ast.walk(tree)):
        yield name.split(".")[0], line


def imported_names(nodes):
    """(dotted name, line) of every import in these nodes; "from a import b" gives a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def at_import(tree):
    """The statements that run when the module is imported, without the bodies of functions."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += list(ast.iter_child_nodes(node))


@functools.cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


ALL = {name_of(path): path for path in modules()}


def test_the_packages_are_found():
    assert {name.split(".")[0] for name in ALL} >= set(PACKAGES)


@pytest.mark.parametrize("name", ALL)
def test_imports_run_one_way(name):
    package = name.split(".")[0]
    for imported, line in imports(parsed(ALL[name])):
        if imported in MAY_IMPORT and imported != package:
            assert imported in MAY_IMPORT[package], f"{name}, line {line}: {package} imports {imported}"


def test_no_imports_form_a_circle():
    """Includes imports inside functions, because a postponed circular import is still a circular import."""
    graph = {}
    for name, path in ALL.items():
        targets = (modules_named(imported) for imported, _ in imported_names(ast.walk(parsed(path))))
        graph[name] = {target for target in targets if target and target != name}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def modules_named(imported):
    """The module of this repository that an imported name belongs to; None for a library's name."""
    while imported and imported not in ALL:
        imported = imported.rpartition(".")[0]
    return imported or None


@pytest.mark.parametrize("name", ALL)
def test_what_the_app_imports_is_free_of_torch(name):
    package = name.partition(".")[0]
    tree = parsed(ALL[name])
    if package in ("data", "evaluation", "ui", "app"):
        found = set(dict(imports(tree))) & HEAVY
        assert not found, f"{name} imports {found}"
    elif name.startswith(LIGHT_FOLDERS) and name not in OWN_PROCESS:
        loaded = {imported.split(".")[0] for imported, _ in imported_names(at_import(tree))}
        assert not loaded & (HEAVY | {"models"}), f"{name} loads {loaded & (HEAVY | {'models'})} at import"
    if package in ("data", "evaluation", "models", "pipeline"):
        assert "gradio" not in dict(imports(tree)), f"{name} imports gradio"


def test_the_folders_and_modules_that_this_file_names_exist():
    assert {*LIGHT_FOLDERS, *OWN_PROCESS} <= ALL.keys()


@pytest.mark.parametrize("name", ALL)
def test_every_module_has_a_docstring(name):
    tree = parsed(ALL[name])
    assert ast.get_docstring(tree), f"{name} has no docstring"
    assert name.rpartition(".")[2] not in FORBIDDEN_NAMES


@pytest.mark.parametrize("name", ALL)
def test_no_exception_is_swallowed_silently(name):
    for node in ast.walk(parsed(ALL[name])):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{name}, line {node.lineno}: a bare except"
            broad = isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not (broad and silent), f"{name}, line {node.lineno}: an exception is swallowed"


@pytest.mark.parametrize(
    "module",
    ["app", *(name for name in ALL if name.startswith(LIGHT_FOLDERS) and name.count(".") == 1)],
)
def test_importing_it_leaves_torch_out(module):
    """Imports every module of the light folders except those that run in a separate process."""
    inside = [name for name in ALL if name.startswith(module + ".") and name not in OWN_PROCESS]
    light = [name for name in (module, *inside) if name != "pipeline.commands.preload"]
    code = f"import sys, {', '.join(light)}; print(sorted(set(sys.modules) & {HEAVY!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[-1] == "[]"
