"""The lowest package: files, workspace, preference records, sources, the tiny world and the vote store.

Nothing here imports torch or gradio, and nothing here depends on models, runs or the page.
"""
