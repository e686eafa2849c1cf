"""Folders that look like policies, and the facts that an inference process reports on them; loads nothing."""

from data.files import write_json
from data.policies import POLICIES


def fake_demo(folder, names=POLICIES, weights="weights"):
    """Write demo policies of the tiny preset into `folder`; returns {preset: folder} for the arena."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        card = {"base_model": "tiny", "base_hash": "b" * 64, "precision": "bf16"}
        write_json(folder / name / "model.json", card)
        (folder / name / "adapter_model.safetensors").write_text(f"{weights} of {name}")
    return {"tiny": folder}


def facts_of(lineup):
    """The facts that accompany the answers of a line-up, with the hashes of its files."""
    return {
        "base": {"base_model": "tiny", "base_hash": "b" * 64, "tokenizer_hash": "c" * 64},
        "policies": {
            name: {"adapter_sha256": digest, "served_in": "bf16"}
            for name, digest in lineup.season().policies.items()
        },
        "software": {"torch": "2"},
        "device": "cpu",
    }
