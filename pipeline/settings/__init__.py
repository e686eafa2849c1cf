"""The settings of each stage: the fields, their layers and the table of stages. No torch."""
