"""python -m pipeline STAGE ...; see `pipeline.cli`."""

from pipeline.child import start_again

if __name__ == "__main__":
    start_again()  # before anything is imported that would be imported twice
    from pipeline.cli import main
    from pipeline.distributed import leave

    leave(main())
