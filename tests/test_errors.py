"""Errors carry codes: every code has advice for the page and the command line, and every raise has a code."""

import ast
from pathlib import Path

import pytest

from data.errors import Code, UserError
from models.loading import resolve_base
from pipeline.commands.advice import ADVICE, told, with_advice
from pipeline.commands.execute import _mendable
from pipeline.memory import estimate as memory
from pipeline.runs.lineage import resolve_parents
from pipeline.runs.parents import Resolved
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build
from pipeline.training.recovery import Stability, Unstable
from ui.texts import Texts
from ui.texts.errors import ERRORS

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for folder in ("data", "models", "evaluation", "pipeline", "ui")
    for path in (ROOT / folder).rglob("*.py")
]
SOURCES.append(ROOT / "app.py")
# The messages of these codes already state what to do on a command line.
PLAIN = {Code.REQUEST, Code.OPTION, Code.SETTING, Code.NAME, Code.HUB, Code.ORDER}


def test_every_code_has_advice_on_the_page():
    assert {key.removeprefix("advice.") for key in ERRORS if key.startswith("advice.")} == set(Code) - {
        Code.REQUEST
    }


def test_every_code_has_advice_on_the_command_line_unless_its_messages_give_it():
    assert set(ADVICE) == set(Code) - PLAIN


def test_page_advice_names_buttons_and_command_line_advice_names_commands():
    page = " ".join(text for texts in ERRORS.values() for text in texts)
    assert "`" not in page and "--" not in page and "python -m" not in page
    assert not any("“" in text or "Press" in text or " tab" in text for text in ADVICE.values())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_error_names_its_code_and_no_command_in_its_message(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if name in ("UserError", "InferenceLost"):
            where = f"{path.name}, line {node.lineno}"
            assert any(keyword.arg == "code" for keyword in node.keywords), f"{where}: no code"
            texts = [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
            only_typed = path.parent.name == "commands" or path.name in (
                "distributed.py",
                "app.py",
                "server.py",
            )
            assert only_typed or not any("`" in str(text) or "--" in str(text) for text in texts), where


def test_command_line_adds_the_advice_of_the_code_or_what_the_error_names():
    assert told(UserError("no such run", code=Code.RUN)) == "no such run; `status` lists the runs"
    assert (
        told(UserError("none yet", code=Code.PARENT, command="run `sft` first"))
        == "none yet; run `sft` first"
    )
    assert told(UserError("batch_size=7: too odd", code=Code.SETTING)) == "batch_size=7: too odd"


def test_record_without_a_code_or_with_one_of_a_later_version_is_shown_as_it_is():
    assert with_advice("broke", None) == "broke"
    assert with_advice("broke", "a code of a later version") == "broke"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "error, code",
    [
        (OSError(28, "No space left on device"), Code.DISK_FULL),
        (RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory"), Code.OUT_OF_MEMORY),
        (MemoryError(), Code.OUT_OF_MEMORY),
        (RuntimeError("could not create a primitive"), Code.OUT_OF_MEMORY),
        (RuntimeError("std::bad_alloc"), Code.OUT_OF_MEMORY),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
            Code.OUT_OF_MEMORY,
        ),
        (
            RuntimeError("unable to mmap 4096 bytes from file <a>: Cannot allocate memory (12)"),
            Code.OUT_OF_MEMORY,
        ),
        (RuntimeError("can't start new thread"), Code.OUT_OF_MEMORY),
        (ImportError("a.so: failed to map segment from shared object"), Code.OUT_OF_MEMORY),
        (OSError(12, "Cannot allocate memory"), Code.OUT_OF_MEMORY),
    ],
)
def test_advice_on_missing_hardware_and_software_exists_in_both_languages(error, code, language):
    assert _mendable(error).code == code
    assert Texts(language).advice(code)


def test_parent_that_is_missing_sends_the_page_to_its_button_and_the_command_line_to_its_command(workspace):
    (workspace.dataset("d")).mkdir(parents=True)
    (workspace.dataset("d") / "train_prefs.jsonl").write_text("{}\n")
    with pytest.raises(UserError) as missing:
        resolve_parents("reward", build("reward", "tiny", overrides=["dataset=d"]), workspace)
    assert missing.value.code == Code.PARENT
    assert "Run missing steps" in Texts("en").advice(missing.value.code)
    assert told(missing.value).endswith("run `sft` first")


def test_advice_on_too_little_memory_refers_to_the_settings_of_the_page(workspace, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: (1, "RAM"))
    with pytest.raises(UserError, match="does not fit") as refused:
        memory.refuse_what_cannot_fit("sft", Resolved(build("sft", "tiny"), Parents()), workspace)
    assert refused.value.code == Code.DOES_NOT_FIT
    assert "More settings" in Texts("en").advice(refused.value.code)
    assert "`estimate sft` shows" in told(refused.value)


@pytest.mark.parametrize("loss", [float("inf"), 1e9])
def test_loss_that_became_infinite_or_jumped_is_unstable(loss):
    stability = Stability()
    for _ in range(6):
        stability.check_loss(1.0)
    with pytest.raises(Unstable, match="became inf|jumped to"):
        stability.check_loss(loss)


def test_missing_base_has_the_code_of_the_base():
    with pytest.raises(UserError) as refused:
        resolve_base("./no/such/folder")
    assert refused.value.code == Code.BASE
