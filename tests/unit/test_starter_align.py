"""The recipe's stage one, small: the bundled hub, words embedded by the bundled encoder, and a
fresh connector between them.
"""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.hub_finish import ENCODER, WEIGHTS, Bank, alignment, make_connector, seen_rows


@pytest.fixture(scope="module")
def bank() -> Bank:
    """What the words for 40 things mean."""
    words = [
        (name, label)
        for label, concept in enumerate(load_concepts()[:40])
        for name in concept.english
    ]
    model = ImageBindModel.from_pretrained(ENCODER).float().eval()
    processor = ImageBindProcessor.from_pretrained(ENCODER)
    with torch.inference_mode():
        found = model.encode("text", processor.text([name for name, _ in words]), finish="unit")
    vectors = found.embedding.numpy()
    # The rows ask for pictures, words and sounds alike: here all three are words.
    labels = np.array([label for _, label in words] * 3)
    return Bank(np.concatenate([vectors] * 3), labels, np.repeat([0, 1, 2], len(words)))


def test_a_fresh_connector_learns_to_say_what_things_are(bank: Bank) -> None:
    hub = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    hub.requires_grad_(False)
    frozen = {name: item.clone() for name, item in hub.named_parameters()}
    rows = seen_rows(AutoTokenizer.from_pretrained(WEIGHTS), bank, seed=3)
    training = alignment(hub, make_connector(), rows, steps=120, size=8)
    while not training.done:
        training.advance()
    first, last = np.mean(training.losses[:10]), np.mean(training.losses[-20:])
    assert last < first / 2, (first, last)
    assert all(torch.equal(item, frozen[name]) for name, item in hub.named_parameters())
