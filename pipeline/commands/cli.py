"""The command line: python -m pipeline STAGE [options].

Stages: pretrain prepare sft reward ppo judge evaluate measure, and all (every missing or stale stage, in
order). Other commands: study FILE.yaml, status, resume RUN, cancel RUN, estimate STAGE, export RUN --to DIR,
promote RUN, card RUN, backup --to FILE, restore FILE, verify, delete RUN, label RUN, gc. Exit codes: 0: done;
2: an error that the user can correct, stated in one line on stderr; 1: a bug, with its traceback. The last
line that a stage prints on stdout is the absolute path of its run.json. A stage's module is imported only
when the stage runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.commands.advice import with_advice
from pipeline.commands.execute import execute, resume
from pipeline.commands.foreground import exit_code, foreground
from pipeline.runs import processes
from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader, read_run
from pipeline.runs.record import close_dead, request_cancel
from pipeline.settings.every_stage import PRESETS
from pipeline.settings.layers import build, fields
from pipeline.settings.stages import STAGES
from pipeline.training import distributed

GRACE = 60.0  # seconds between the cancel request and the kill


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):  # a character that the terminal lacks must not end a run
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def command() -> int:
        args = _parser().parse_args(arguments)
        distributed.check_command(args.stage)
        return args.command(args, Workspace(Path(args.workspace)))

    return exit_code(command)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(f"{message} (see: {self.prog} --help)", code=Code.OPTION)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, text: str, command: Any, **more: Any) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text, **more)
        one.set_defaults(command=command, stage=name)
        one.add_argument("--workspace", default="workspace", metavar="DIR", help="default: ./workspace")
        return one

    for stage in STAGES.names:
        one = add(
            stage,
            f"run the stage {stage}",
            _stage,
            epilog=_field_help(stage),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_settings(one)
    one = add("all", "run every missing or stale stage, in order, for the three precisions", _all)
    _add_settings(one)
    one.add_argument("--seeds", type=_positive, default=1, metavar="N", help="repeat with N seeds")
    _add_jobs(one)
    one = add("study", "run a study, or continue it, and write its report", _study)
    one.add_argument("file", metavar="FILE.yaml", help="the design; docs/study.md describes its fields")
    instead = one.add_mutually_exclusive_group()
    instead.add_argument("--plan", action="store_true", help="only print the runs and the hours")
    instead.add_argument("--report", action="store_true", help="only write the report of what there is")
    _add_jobs(one)
    add("status", "list the runs", _status)
    one = add("resume", "continue a run from its last checkpoint", _resume)
    one.add_argument("run", metavar="RUN")
    one = add("cancel", "stop a run; it keeps its last checkpoint", _cancel)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--grace", type=float, default=GRACE, metavar="SECONDS", help="wait before the kill")
    one = add("estimate", "print the memory that a stage will need, term by term", _estimate)
    one.add_argument("of", metavar="STAGE", choices=[row.name for row in STAGES if row.trains_adapter])
    _add_settings(one)
    one = add("export", "write a run's model in a form that transformers loads by itself", _export)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--to", required=True, metavar="DIR")
    one.add_argument("--format", choices=("merged", "adapter"), default="merged")
    one.add_argument("--step", type=int, metavar="N", help="the snapshot of this step instead of the end")
    one = add("promote", "make a snapshot of a PPO run a policy that the arena and evaluate use", _promote)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--step", type=int, metavar="N", help="default: the step with the best gold or judge")
    one = add("card", "make the report card of a reward model: what its accuracy does not show", _card)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--prompts", type=_positive, default=64, metavar="N", help="that SFT answers four times")
    one = add("backup", "write the complete workspace to one file; the app may be running", _backup)
    one.add_argument("--to", required=True, metavar="FILE", help="a tar file; FILE.tar.gz is compressed")
    one = add("restore", "create a new workspace from a backup", _restore)
    one.add_argument("file", metavar="FILE")
    one = add("verify", "check the workspace or a backup for damage", _verify)
    one.add_argument("file", metavar="FILE", nargs="?", help="a backup; default: the workspace")
    one = add("delete", "delete a run", _delete)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--yes", action="store_true", help="delete it even if something depends on it")
    one = add("label", "give a run a name and tags, by which the page's list finds it", _label)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--name", metavar="TEXT", help="empty: the name that the run was started with")
    one.add_argument("--tags", nargs="*", metavar="TAG", help="replace the tags; none removes them")
    one = add("gc", "list the files that are no longer needed, or remove them", _gc)
    one.add_argument("--yes", action="store_true", help="remove them")
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=PRESETS)
    parser.add_argument("--precision", choices=PRECISIONS)
    parser.add_argument("--seed", type=int, metavar="N")
    parser.add_argument("--config", metavar="FILE.yaml")
    parser.add_argument(
        "--set", dest="overrides", nargs="+", action="extend", default=[], metavar="FIELD=VALUE"
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="stages that run side by side; default: one per core for tiny and small without a GPU, else 1",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _field_help(stage: str) -> str:
    lines = ["settings for --set (defaults of the preset tiny):"]
    for field in fields(stage):
        unit = f" [{field.unit}]" if field.unit else ""
        lines.append(f"  {field.name}={field.default}  {field.help}{unit}".replace("%", "%%"))
    return "\n".join(lines)


def _settings(args: argparse.Namespace, stage: str) -> Any:
    return build(
        stage,
        args.preset,
        precision=args.precision,
        seed=args.seed,
        config_file=args.config,
        overrides=args.overrides,
    )


def _stage(args: argparse.Namespace, workspace: Workspace) -> int:
    settings = _settings(args, args.stage)
    return foreground(lambda started: execute(args.stage, settings, workspace, started=started))


def _resume(args: argparse.Namespace, workspace: Workspace) -> int:
    return foreground(lambda started: resume(workspace, args.run, started))


def _all(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.chain import run_everything

    return run_everything(
        workspace,
        preset=args.preset,
        precision=args.precision,
        seed=args.seed,
        config_file=args.config,
        overrides=args.overrides,
        seeds=args.seeds,
        jobs=args.jobs,
    )


def _study(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands import study, study_report, study_run

    file = Path(args.file)
    if args.plan or args.report:
        print(study.plan(workspace, file) if args.plan else study_report.report_file(workspace, file))
        return 0
    try:
        return study_run.run_study(workspace, file, args.jobs)
    except KeyboardInterrupt:
        raise UserError(
            f"{file}: the study was stopped", code=Code.CANCELLED, command="the same command continues it"
        ) from None


def _status(args: argparse.Namespace, workspace: Workspace) -> int:
    line = Lineage(RunReader(workspace))
    for run in line.records:
        reason = line.stale_reason(run)
        note = f"stale: {reason}" if reason else ""
        if run.error:
            note = with_advice(run.error, run.error_code)
        if run.progress and run.progress.total:
            note = f"step {run.progress.step}/{run.progress.total}"
        print(f"{run.id:<44} {run.status:<10} {note}".rstrip())
    return 0


def _cancel(args: argparse.Namespace, workspace: Workspace) -> int:
    record = read_run(workspace, args.run)
    if record.status not in ("queued", "running"):
        raise UserError(f"{args.run}: is {record.status}; there is nothing to cancel", code=Code.STATE)
    request_cancel(workspace.run(args.run))
    attempt = record.attempt
    if record.status == "running" and attempt and attempt.pid and attempt.process_started:
        processes.stop(attempt.pid, attempt.process_started, args.grace)
    close_dead(workspace, args.run, "cancelled")
    print(f"{args.run}: {read_run(workspace, args.run).status}")
    return 0


def _estimate(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.memory.estimate import estimate

    print(estimate(args.of, _settings(args, args.of), workspace).table())
    return 0


def _export(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.export import export

    print(export(workspace, args.run, Path(args.to), args.format, args.step))
    return 0


def _promote(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.promote import best_to_promote, promote

    step = best_to_promote(workspace, args.run) if args.step is None else args.step
    run = promote(workspace, args.run, step)
    print(f"{run.id}: step {step} of {args.run}")
    print((run.folder / "run.json").absolute())
    return 0


def _card(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.card import make

    print(make(workspace, args.run, args.prompts))
    return 0


def _backup(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.backup import backup, told

    return told(backup(workspace, Path(args.to)), f"{args.to} written")


def _restore(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.backup import restore, told

    return told(restore(Path(args.file), workspace), f"{workspace.root} restored")


def _verify(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.backup import told, verify, verify_backup

    report = verify_backup(Path(args.file)) if args.file else verify(workspace)
    return told(report, args.file or str(workspace.root))


def _delete(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.housekeeping import delete

    for line in delete(workspace, args.run, args.yes):
        print(line)
    print(f"{args.run}: deleted")
    return 0


def _label(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.runs import labels

    label = labels.change(workspace, args.run, name=args.name, tags=args.tags)
    print(f"{args.run}: {label.name or '(no name)'} {' '.join(f'#{tag}' for tag in label.tags)}".rstrip())
    return 0


def _gc(args: argparse.Namespace, workspace: Workspace) -> int:
    from pipeline.commands.housekeeping import collect, waste

    found = waste(workspace)
    for item in found:
        print(f"{workspace.relative(item.path)}: {item.reason} ({item.bytes / 1e6:.1f} MB)")
    if args.yes:
        collect(workspace, found)
    total = f"{sum(item.bytes for item in found) / 1e6:.1f} MB"
    print(f"gc: {total} removed" if args.yes else f"gc: {total} can be removed; --yes removes it")
    return 0
