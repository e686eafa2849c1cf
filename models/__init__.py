"""Language models: loading in three precisions, prompts, adapters, generation, scoring."""
