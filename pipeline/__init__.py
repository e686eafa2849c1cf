"""What runs: settings, records of runs, jobs, the training stages and the command line.

`settings`, `run_record`, `jobs`, `lineage`, `checkpoints`, `cli`, `estimate` and `arena` never load torch;
the stage modules (`prepare`, `pretrain`, `sft`, `reward`, `ppo`, `evaluate`, `inference`) each run in a
process of their own. Nothing happens at import. Run with: python -m pipeline STAGE
"""
