"""The Gradio page: one module a tab, and what they share. No torch here, and nothing happens at import."""
