"""python -m pipeline STAGE ...; see `pipeline.commands.cli`."""

from pipeline.runs.child import start_again

if __name__ == "__main__":
    start_again()  # before the other imports, which a restarted process would repeat
    from pipeline.commands.cli import main
    from pipeline.training.distributed import leave

    leave(main())
