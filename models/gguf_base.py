"""Converts a GGUF file to a model folder: bf16 safetensors, config, and the tokenizer with its chat template.

transformers reads the file and dequantises the weights; the config keeps no trace of the quantisation, so
that the folder is a base like any other. `data.bases` decides where the folder is, and converts a file only
once. The parts of the pipeline without torch run this module as a program:

    python -m models.gguf_base FILE.gguf FOLDER
"""

import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from data.errors import Code, UserError
from data.files import read_json, write_json
from models import base_files

# Entries of a config that depend on the version or the machine and would change the base's hash.
PASSING = ("transformers_version", "_name_or_path", "_model_name_or_path")


def convert(file: Path, folder: Path) -> None:
    """Write the base into an empty folder. Raises UserError if transformers cannot read the file."""
    print(f"converting {file.name} (only this once)", file=sys.stderr, flush=True)
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        where = dict(gguf_file=file.name, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
        )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise UserError(f"{file}: cannot be read as a GGUF model: {reason}", code=Code.BASE) from error
    finally:
        transformers.logging.set_verbosity(level)
        transformers.logging.enable_progress_bar()
    model.hf_quantizer = None  # a model with a quantizer refuses to be saved, although it is dequantised now
    model.config.__dict__.pop("quantization_config", None)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ("config.json", "generation_config.json"):
        if (folder / name).is_file():
            kept = {key: value for key, value in read_json(folder / name).items() if key not in PASSING}
            write_json(folder / name, kept)
    base_files.seal(folder)


def main() -> int:
    file, folder = map(Path, sys.argv[1:])
    try:
        convert(file, folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
