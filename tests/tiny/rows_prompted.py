"""Vision-language models without a chat template, two blocks each, and ViLT."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny.row import Row, step

SIDE = 32
#: Random weights all alike would say one word for ever: these say many.
WIDE = 0.6
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "image_size": SIDE,
    "patch_size": 8,
    "initializer_range": WIDE,
}
SIGLIP = {**VISION, "model_type": "siglip_vision_model", "vision_use_head": False}
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def words_tokenizer() -> Any:
    """BERT's own tokenizer over single letters."""
    from transformers import BertTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", *letters]
    tokens += [*("##" + letter for letter in letters), *"0123456789.,?!:;"]
    return BertTokenizer(
        vocab={token: place for place, token in enumerate(tokens)}, bos_token="[DEC]"
    )


def bytes_tokenizer(*extra: str, side: str = "left", **named: str) -> Any:
    """A byte-level tokenizer without merges: every byte is a token. `extra` are special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    known = ["<pad>", "<s>", "</s>", "<unk>", *extra, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    whole = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(known)}, merges=[]))
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    whole.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=whole,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side=side,
        extra_special_tokens=named or list(extra),
    )


def pictures(kind: str, **more: Any) -> Any:
    """An image processor of this name for pictures of 32 x 32."""
    import transformers

    size = {"height": SIDE, "width": SIDE}
    return getattr(transformers, kind)(**{"size": size, **more})


def llama(size: int) -> dict[str, Any]:
    """A LLaMA's configuration for so many tokens."""
    return {
        "model_type": "llama",
        "vocab_size": size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 37,
        "max_position_embeddings": 512,
        "initializer_range": WIDE,
        **ENDS,
    }


def opt(size: int) -> dict[str, Any]:
    """OPT's."""
    return {
        "model_type": "opt",
        "vocab_size": size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "ffn_dim": 37,
        "word_embed_proj_dim": 32,
        "max_position_embeddings": 512,
        "init_std": WIDE,
        **ENDS,
    }


def t5(size: int) -> dict[str, Any]:
    """T5's."""
    return {
        "model_type": "t5",
        "vocab_size": size,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 37,
        "num_layers": 2,
        "num_heads": 4,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 0,
        "tie_word_embeddings": False,
        "initializer_factor": 4.0,
    }


def qformer(size: int) -> dict[str, Any]:
    """A Q-Former's."""
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 37,
        "vocab_size": size,
        "max_position_embeddings": 128,
        "encoder_hidden_size": 32,
        "cross_attention_frequency": 1,
        "initializer_range": WIDE,
    }


def save(folder: Path, model: Any, processor: Any) -> None:
    """Writes both in the layout of the hub."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _blip(folder: Path, kind: str) -> None:
    import transformers

    tokenizer = words_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "encoder_hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 37,
        "projection_dim": 24,
        "max_position_embeddings": 64,
        "bos_token_id": 5,
        "pad_token_id": 0,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "initializer_range": WIDE,
    }
    config = transformers.BlipConfig(
        text_config=text, vision_config=VISION, projection_dim=24, image_text_hidden_size=24
    )
    processor = transformers.BlipProcessor(pictures("BlipImageProcessor"), tokenizer)
    save(folder, getattr(transformers, kind)(config), processor)


def blip_captions(folder: Path) -> None:
    """BLIP that writes captions."""
    _blip(folder, "BlipForConditionalGeneration")


def blip_answers(folder: Path) -> None:
    """BLIP that answers questions."""
    _blip(folder, "BlipForQuestionAnswering")


def _blip2(folder: Path, text: Any, side: str) -> None:
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor

    tokenizer = bytes_tokenizer("<image>", side=side)
    config = Blip2Config(
        vision_config=VISION,
        qformer_config=qformer(99),
        text_config=text(len(tokenizer) + 5),  # more scores than words, as in OPT and Flan-T5
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = Blip2Processor(pictures("BlipImageProcessor"), tokenizer, num_query_tokens=4)
    save(folder, Blip2ForConditionalGeneration(config), processor)


def blip2_opt(folder: Path) -> None:
    """BLIP-2 with OPT."""
    _blip2(folder, opt, "left")


def blip2_t5(folder: Path) -> None:
    """BLIP-2 with T5."""
    _blip2(folder, t5, "right")


def _instructblip(folder: Path, text: Any, side: str) -> None:
    from transformers import (
        InstructBlipConfig,
        InstructBlipForConditionalGeneration,
        InstructBlipProcessor,
    )

    tokenizer, instructions = bytes_tokenizer("<image>", side=side), words_tokenizer()
    config = InstructBlipConfig(
        vision_config=VISION,
        qformer_config=qformer(len(instructions)),
        text_config=text(len(tokenizer) + 5),  # more scores than words, as in OPT and Flan-T5
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = InstructBlipProcessor(
        pictures("BlipImageProcessor"), tokenizer, instructions, num_query_tokens=4
    )
    save(folder, InstructBlipForConditionalGeneration(config), processor)


def instructblip_llama(folder: Path) -> None:
    """InstructBLIP with a LLaMA, as Vicuna is one."""
    _instructblip(folder, llama, "left")


def instructblip_t5(folder: Path) -> None:
    """InstructBLIP with T5."""
    _instructblip(folder, t5, "right")


def _git(folder: Path, frames: int | None) -> None:
    from transformers import GitConfig, GitForCausalLM, GitProcessor

    tokenizer = words_tokenizer()
    config = GitConfig(
        vision_config=VISION,
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=37,
        max_position_embeddings=64,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
        num_image_with_embedding=frames,
        initializer_range=WIDE,
    )
    seen = pictures("CLIPImageProcessor", crop_size={"height": SIDE, "width": SIDE})
    save(folder, GitForCausalLM(config), GitProcessor(seen, tokenizer))


def git(folder: Path) -> None:
    """GIT."""
    _git(folder, None)


def git_video(folder: Path) -> None:
    """GIT with places for four frames."""
    _git(folder, 4)


def _idefics(folder: Path, *more: str) -> None:
    from transformers import IdeficsConfig, IdeficsForVisionText2Text, IdeficsProcessor

    tokenizer = bytes_tokenizer("<fake_token_around_image>", "<image>", *more)
    config = IdeficsConfig(
        vocab_size=len(tokenizer),
        additional_vocab_size=0,
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        vision_config={
            "embed_dim": 32,
            "image_size": SIDE,
            "patch_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 37,
            "initializer_range": WIDE,
        },
        use_resampler=True,
        perceiver_config={
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
        },
        cross_layer_interval=1,
        alpha_initializer="ones",
        initializer_range=WIDE,
        **ENDS,
    )
    seen = pictures("IdeficsImageProcessor", size=None, image_size=SIDE)
    processor = IdeficsProcessor(seen, tokenizer, image_size=SIDE)
    save(folder, IdeficsForVisionText2Text(config), processor)


def idefics(folder: Path) -> None:
    """Idefics, pre-trained only."""
    _idefics(folder)


def idefics_instruct(folder: Path) -> None:
    """Idefics that was trained on dialogues."""
    _idefics(folder, "<end_of_utterance>")


def kosmos2(folder: Path) -> None:
    """Kosmos-2 with its 1,024 tokens for patches."""
    from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration, Kosmos2Processor

    tokenizer = bytes_tokenizer()
    seen = pictures("CLIPImageProcessor", crop_size={"height": SIDE, "width": SIDE})
    processor = Kosmos2Processor(seen, tokenizer)
    text = {
        "vocab_size": len(tokenizer),
        "embed_dim": 32,
        "layers": 2,
        "ffn_dim": 37,
        "attention_heads": 4,
        "max_position_embeddings": 256,
        "init_std": WIDE,
        **ENDS,
    }
    config = Kosmos2Config(text_config=text, vision_config=VISION, latent_query_num=4)
    save(folder, Kosmos2ForConditionalGeneration(config), processor)


def florence2(folder: Path) -> None:
    """Florence-2 with its 1,000 location tokens."""
    from transformers import (
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
    )

    tokenizer = bytes_tokenizer("<image>", side="right", image_token="<image>")
    tokenizer.add_tokens([f"<loc_{place}>" for place in range(1000)])
    vision = {
        "model_type": "florence_vision",
        "depths": (1, 1),
        "patch_size": (7, 3),
        "patch_stride": (4, 2),
        "patch_padding": (3, 1),
        "patch_prenorm": (False, True),
        "embed_dim": (32, 32),
        "num_heads": (2, 2),
        "num_groups": (2, 2),
        "window_size": 4,
        "projection_dim": 32,
        "max_temporal_embeddings": 5,
        "max_position_embeddings": 8,
    }
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 37,
        "decoder_ffn_dim": 37,
        "max_position_embeddings": 256,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": 2,
        "init_std": WIDE,
        **ENDS,
    }
    config = Florence2Config(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        is_encoder_decoder=True,
    )
    seen = pictures("CLIPImageProcessor", do_center_crop=False)
    seen.image_seq_length = (SIDE // 8) ** 2 + 1
    save(folder, Florence2ForConditionalGeneration(config), Florence2Processor(seen, tokenizer))


def paligemma(folder: Path) -> None:
    """PaliGemma with its location tokens."""
    from transformers import (
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
    )

    tokenizer = bytes_tokenizer("<image>", image_token="<image>")
    seen = pictures("SiglipImageProcessor")
    seen.image_seq_length = (SIDE // 8) ** 2
    processor = PaliGemmaProcessor(seen, tokenizer)
    text = {**llama(len(tokenizer)), "model_type": "gemma", "num_key_value_heads": 1, "head_dim": 8}
    config = PaliGemmaConfig(
        vision_config={**SIGLIP, "projection_dim": 32},
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    save(folder, PaliGemmaForConditionalGeneration(config), processor)


def t5gemma2(folder: Path) -> None:
    """T5Gemma 2, encoder and decoder of two blocks."""
    from transformers import Gemma3Processor, T5Gemma2Config, T5Gemma2ForConditionalGeneration

    marks = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<image>"}
    tokenizer = bytes_tokenizer(*marks.values(), side="right", **marks)
    ids = {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in marks.items()}
    text = {
        **llama(len(tokenizer)),
        "head_dim": 8,
        "tie_word_embeddings": False,
        "layer_types": ["full_attention", "full_attention"],
    }
    del text["model_type"]
    encoder = {
        "text_config": text,
        "vision_config": SIGLIP,
        "mm_tokens_per_image": 4,
        "image_token_index": ids["image_token"],
        "boi_token_index": ids["boi_token"],
        "eoi_token_index": ids["eoi_token"],
    }
    config = T5Gemma2Config(
        encoder=encoder,
        decoder=text,
        image_token_index=ids["image_token"],
        eoi_token_index=ids["eoi_token"],
    )
    processor = Gemma3Processor(pictures("Gemma3ImageProcessor"), tokenizer, image_seq_length=4)
    model = T5Gemma2ForConditionalGeneration(config)
    # Random weights start blind, and with words so loud that each repeats itself.
    for name, weight in model.named_parameters():
        if "mm_input_projection" in name:
            weight.data.normal_()
    model.get_input_embeddings().weight.data.mul_(0.02)
    save(folder, model, processor)


def vilt(folder: Path) -> None:
    """ViLT that knows three answers."""
    from transformers import ViltConfig, ViltForQuestionAnswering, ViltProcessor

    tokenizer = words_tokenizer()
    config = ViltConfig(
        **VISION,
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        id2label={0: "yes", 1: "no", 2: "a cat"},
        label2id={"yes": 0, "no": 1, "a cat": 2},
    )
    seen = pictures("ViltImageProcessor", size={"shortest_edge": SIDE}, size_divisor=8)
    save(folder, ViltForQuestionAnswering(config), ViltProcessor(seen, tokenizer))


LOOKED = {"s1.text": "text"}
FEW = {"max_tokens": 6}


def _caption(name: str, like: str, build: Callable[[Path], None], media: str = "@image") -> Row:
    body = step("describe", params=FEW, media=media)
    return Row(name=name, like=like, build=build, body=body, gives=LOOKED)


def _question(name: str, like: str, build: Callable[[Path], None]) -> Row:
    body = step("describe", params={"question": "is it a cat?", **FEW}, media="@image")
    return Row(name=name, like=like, build=build, body=body, gives=LOOKED)


def _read(name: str, like: str, build: Callable[[Path], None]) -> Row:
    body = step("read_text", image="@image")
    return Row(name=name, like=like, build=build, body=body, gives=LOOKED)


def _detect(name: str, like: str, build: Callable[[Path], None]) -> Row:
    body = step("detect", image="@image", text="cat, dog")
    return Row(name=name, like=like, build=build, body=body, gives={"s1.boxes": "data"})


ROWS = [
    _question("4 ViLBERT by ViLT", "dandelin/vilt-b32-finetuned-vqa", vilt),
    _question("5 VL-BERT by ViLT", "dandelin/vilt-b32-finetuned-vqa", vilt),
    _caption("9 Florence-2", "florence-community/Florence-2-base", florence2),
    _read("9 Florence-2 reading", "florence-community/Florence-2-base", florence2),
    _detect("9 Florence-2 finding", "florence-community/Florence-2-base", florence2),
    _caption("12 GIT", "microsoft/git-base-coco", git),
    _caption("12 GIT of a video", "microsoft/git-base-vatex", git_video, "@video"),
    _question("12 GIT answering", "microsoft/git-base-vqav2", git),
    _question("17 VL-T5 by T5Gemma 2", "google/t5gemma-2-270m-270m", t5gemma2),
    _caption("18 Unified VLP by PaliGemma", "google/paligemma-3b-pt-224", paligemma),
    _question("18 PaliGemma answering", "google/paligemma-3b-mix-224", paligemma),
    _read("18 PaliGemma reading", "google/paligemma-3b-mix-224", paligemma),
    _detect("18 PaliGemma finding", "google/paligemma-3b-mix-224", paligemma),
    _caption("19 BLIP", "Salesforce/blip-image-captioning-large", blip_captions),
    _question("19 BLIP answering", "Salesforce/blip-vqa-base", blip_answers),
    _caption("20 BLIP-2 with OPT", "Salesforce/blip2-opt-2.7b", blip2_opt),
    _question("20 BLIP-2 with Flan-T5", "Salesforce/blip2-flan-t5-xl", blip2_t5),
    _question("22 Flamingo by Idefics", "HuggingFaceM4/idefics-9b", idefics),
    _caption(
        "22 Idefics on a video", "HuggingFaceM4/idefics-9b-instruct", idefics_instruct, "@video"
    ),
    _question("23 KOSMOS-2", "microsoft/kosmos-2-patch14-224", kosmos2),
    _detect("23 KOSMOS-2 finding", "microsoft/kosmos-2-patch14-224", kosmos2),
    _question("29 InstructBLIP", "Salesforce/instructblip-flan-t5-xl", instructblip_t5),
    _question(
        "29 InstructBLIP with Vicuna", "Salesforce/instructblip-vicuna-7b", instructblip_llama
    ),
    _caption("39 OFA by Florence-2", "florence-community/Florence-2-base-ft", florence2),
]
