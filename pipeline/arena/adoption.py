"""The SFT policy that the project ships, entered as a finished run, so that runs can stand on it.

Who votes on the shipped demo policies and then trains on the votes starts from the SFT model that answered,
and not from another one.
"""

from data.errors import Code, UserError
from data.workspace import Workspace
from pipeline.arena.lineup import Lineup
from pipeline.runs.copied import copy_model
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build


def adopt(workspace: Workspace, demo: Lineup, dataset: str, prepare_run: str) -> str:
    """Enter the SFT model of the demo policies as a done run of their preset; returns the run's id.

    dataset and prepare_run: the data set from which its children take their prompts, and the run that makes
    it. Raises UserError where the demo policies are not on the preset's base.
    """
    settings = build("sft", demo.preset)
    if settings.base_model != demo.base_model:
        raise UserError(
            f"the demo policies answer on {demo.base_model}, not on {settings.base_model}", code=Code.BASE
        )
    run = Run.create(workspace, "sft", settings, Parents(dataset, {"prepare": prepare_run}))
    run.start_attempt()
    copy_model(next(p.folder for p in demo.policies if p.name == "sft"), run)
    run.event("shipped", "this SFT model comes with the project; it was not trained here")
    run.finish({})
    return run.id
