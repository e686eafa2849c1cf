"""Numbers in, numbers out: reward metrics, alignment, arena statistics, resources, the safety probe.

Nothing here loads a model, draws a page or imports torch or gradio.
"""
