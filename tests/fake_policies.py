"""Folders that look like policies, and what an inference process would say about them; nothing is loaded."""

from data.files import write_json
from data.policies import POLICIES


def fake_demo(folder, names=POLICIES, weights="weights"):
    """Demo policies of the tiny preset in `folder`, by preset, as the arena takes them."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        card = {"base_model": "tiny", "base_hash": "b" * 64, "precision": "bf16"}
        write_json(folder / name / "model.json", card)
        (folder / name / "adapter_model.safetensors").write_text(f"{weights} of {name}")
    return {"tiny": folder}


def facts_of(lineup):
    """The facts that come with the answers of a line-up: the weights that its files hold."""
    return {
        "base": {"base_model": "tiny", "base_hash": "b" * 64, "tokenizer_hash": "c" * 64},
        "policies": {
            name: {"adapter_sha256": digest, "served_in": "bf16"}
            for name, digest in lineup.season().policies.items()
        },
        "software": {"torch": "2"},
        "device": "cpu",
    }
