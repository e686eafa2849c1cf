"""The entry points: the command line, one stage, all stages, export."""
