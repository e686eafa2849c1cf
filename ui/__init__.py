"""The Gradio page: one module per tab, and what they share. No torch, and no side effects at import."""
