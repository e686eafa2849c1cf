"""The bottom of the house: files, workspace, preference records, sources, the tiny world and the vote store.

Nothing here imports torch or gradio, and nothing here knows models, runs or the page.
"""
