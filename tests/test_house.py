"""The rules of the house, read from the source: which part may import which, and what stays light."""

import ast
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
# In pipeline/ only what runs as a process of its own loads torch; the page imports the rest.
TORCH_FREE = (
    "arena", "checkpoints", "child", "cli", "comparison", "estimate", "everything", "experiments", "export",
    "hardware", "inference_client", "jobs", "lineage", "lineup", "locks", "processes", "progress",
    "recovery", "run_reader", "run_record", "settings", "stage_settings", "stages",
)  # fmt: skip
FORBIDDEN_NAMES = {"utils", "util", "common", "manager", "engine", "helpers", "registry"}


def modules():
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))
    if (ROOT / "app.py").exists():
        yield ROOT / "app.py"


def name_of(path):
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


def imports(tree):
    """(top-level package, line) of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield node.module.split(".")[0], node.lineno


def at_import(tree):
    """The statements that run when the module is imported: no bodies of functions."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += list(ast.iter_child_nodes(node))


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


ALL = {name_of(path): path for path in modules()}


def test_the_house_is_not_empty():
    assert {name.split(".")[0] for name in ALL} >= set(PACKAGES)


@pytest.mark.parametrize("name", ALL)
def test_imports_run_one_way(name):
    package = name.split(".")[0]
    for imported, line in imports(parsed(ALL[name])):
        if imported in MAY_IMPORT and imported != package:
            assert imported in MAY_IMPORT[package], f"{name}, line {line}: {package} imports {imported}"


@pytest.mark.parametrize("name", ALL)
def test_what_the_app_imports_is_free_of_torch(name):
    package, _, module = name.partition(".")
    tree = parsed(ALL[name])
    if package in ("data", "evaluation", "ui", "app"):
        found = set(dict(imports(tree))) & HEAVY
        assert not found, f"{name} imports {found}"
    elif package == "pipeline" and module in TORCH_FREE:
        loaded = {
            imported
            for node in at_import(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for imported, _ in imports(node)
        }
        assert not loaded & (HEAVY | {"models"}), f"{name} loads {loaded & (HEAVY | {'models'})} at import"
    if package in ("data", "evaluation", "models", "pipeline"):
        assert "gradio" not in dict(imports(tree)), f"{name} imports gradio"


@pytest.mark.parametrize("name", ALL)
def test_every_module_says_what_it_is(name):
    tree = parsed(ALL[name])
    assert ast.get_docstring(tree), f"{name} has no docstring"
    assert name.rpartition(".")[2] not in FORBIDDEN_NAMES


@pytest.mark.parametrize("name", ALL)
def test_nothing_catches_everything_in_silence(name):
    for node in ast.walk(parsed(ALL[name])):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{name}, line {node.lineno}: a bare except"
            broad = isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not (broad and silent), f"{name}, line {node.lineno}: an exception is swallowed"


@pytest.mark.parametrize(
    "module", ["app", "pipeline.jobs", "pipeline.cli", "pipeline.stages", "pipeline.arena"]
)
def test_importing_it_leaves_torch_out(module):
    if module not in ALL:
        pytest.skip(f"there is no {module}")
    code = f"import sys, {module}; print(sorted(set(sys.modules) & {HEAVY!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[-1] == "[]"
