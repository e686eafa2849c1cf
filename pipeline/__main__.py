"""python -m pipeline STAGE ...; see `pipeline.cli`."""

from pipeline.cli import main
from pipeline.distributed import leave

if __name__ == "__main__":
    leave(main())
