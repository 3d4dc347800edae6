"""Small sentence-transformers models with random weights, in their own layout: real architectures, made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from bundle import prepare
from bundle.parity_texts import TEXTS

WIDTH = 64
WINDOW = 32
"""Tokens to either side, together, that ModernBERT's local layers attend to."""


def write_tiny(folder: Path, architecture: Literal["bert", "modernbert"] = "bert") -> Path:
    """A model in `folder`: BERT of one layer with prompts, or ModernBERT (the granite r2 embedders' kind) of four, one in three global."""
    with prepare._quiet():
        import torch
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
        from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast

        torch.manual_seed(7)
        letters = sorted({letter for text in TEXTS for letter in text.lower() if not letter.isspace()})
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
        tokenizer = Tokenizer(models.WordPiece({name: index for index, name in enumerate(names)}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
        shape = {"vocab_size": len(names), "hidden_size": WIDTH, "num_attention_heads": 4, "intermediate_size": 2 * WIDTH}
        if architecture == "bert":
            BertModel(BertConfig(**shape, num_hidden_layers=1, max_position_embeddings=128)).save_pretrained(folder, safe_serialization=True)
        else:
            ids = {"pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
            config = ModernBertConfig(**shape, **ids, num_hidden_layers=4, max_position_embeddings=1024, local_attention=WINDOW)
            ModernBertModel(config).save_pretrained(folder, safe_serialization=True)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    listed = [{"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"} for n, (path, kind) in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(listed))
    longest = 64 if architecture == "bert" else 512
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": longest, "do_lower_case": False}))
    prompts = {"query": "ask: ", "document": "text: "} if architecture == "bert" else {"query": "", "document": ""}
    settings = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    write_pooling(folder, "cls")
    return folder


def write_pooling(folder: Path, mode: str) -> None:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max"}
    config = {"word_embedding_dimension": WIDTH} | {name: known == mode for name, known in modes.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
