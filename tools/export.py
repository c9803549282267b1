"""Write the networks of the web's players as ONNX, and the pictures that they begin with.

`python -m tools.players --export`; it needs `pip install onnx onnxscript`.
"""

import json
from pathlib import Path

import onnx
import skimage.data
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dqngan_lib.applications.art import trained as photo_room
from dqngan_lib.applications.art.brushes import STEP
from dqngan_lib.applications.art.networks import GAIN, PainterNetwork
from dqngan_lib.applications.strokes import trained as digit_room
from dqngan_lib.applications.strokes.canvas import StrokeCanvas
from tools.players import sha256

SAMPLES = {
    "astronaut": (0, 74, 300),
    "cat": (0, 60, 300),
}
"""Top, left and side of what is shown of two photographs of scikit-image: Eileen Collins (NASA,
public domain) and Chelsea (Stéfan van der Walt, CC0)."""


class Spread(nn.Module):
    """The part of `PainterNetwork` that looks at the target alone: Σ w (t − μ)² of each place.

    Asked once for each level of a painting. The sheet has a border of 8 pixels of nothing, and
    `inside` is 1 on the sheet and 0 on the border.
    """

    def __init__(self, painter: PainterNetwork) -> None:
        super().__init__()
        self.u = painter.u

    def forward(self, target: Tensor, inside: Tensor) -> Tensor:
        """Map `(1, 3, h + 16, w + 16)` and `(1, 1, …)` to `(1, 16, h / 2, w / 2)`."""
        w, bright = self.u.square(), (target - 0.5) * inside
        area = conv2d(inside, w, stride=STEP) + 1e-4
        channels = [conv2d(bright[:, k : k + 1], w, stride=STEP) for k in range(3)]
        mean = sum(channel.square() for channel in channels) / area
        return conv2d(bright.square().sum(1, keepdim=True), w, stride=STEP) - mean


class Worth(nn.Module):
    """The rest: Q-values from canvas and target with borders, and the spread of the target."""

    def __init__(self, painter: PainterNetwork) -> None:
        super().__init__()
        self.u = painter.u

    def forward(self, canvas: Tensor, target: Tensor, spread: Tensor) -> Tensor:
        """Map two `(1, 3, h + 16, w + 16)` and the spread to `(1, 16, h / 2, w / 2)`."""
        error = (target - canvas).square().sum(1, keepdim=True)
        return GAIN * (conv2d(error, self.u.square(), stride=STEP) - spread)


def to_onnx(
    network: nn.Module, inputs: dict[str, Tensor], output: str, free: dict[str, dict[int, str]]
) -> onnx.ModelProto:
    """Return a network as ONNX; weights that float16 holds exactly are stored as float16.

    Args:
        network: In evaluation mode.
        inputs: An example of each input, by its name.
        output: The name of the output.
        free: For each input the dimensions of any length, and what they are called.
    """
    network.eval().requires_grad_(False)
    shapes = tuple(
        {place: torch.export.Dim.DYNAMIC for place in free.get(name, {})} for name in inputs
    )
    program = torch.onnx.export(
        network,
        tuple(inputs.values()),
        dynamo=True,
        input_names=list(inputs),
        output_names=[output],
        dynamic_shapes=shapes,
        opset_version=18,
        verbose=False,
    )
    model = program.model_proto
    _halve(model.graph)
    plain = helper.make_model(model.graph, opset_imports=model.opset_import)
    plain.ir_version = 10
    for value in (*plain.graph.node, *plain.graph.value_info):
        value.ClearField("metadata_props")  # among them names of files on the machine
        value.ClearField("doc_string")
    del plain.graph.value_info[:]
    onnx.checker.check_model(plain, full_check=True)
    return plain


def _halve(graph: onnx.GraphProto) -> None:
    """Store as float16 each weight that loses nothing by it, and cast it back before its use."""
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        half = values.astype("float16") if weight.data_type == TensorProto.FLOAT else None
        if half is None or not weight.dims or (half.astype("float32") != values).any():
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def export(models: Path, samples: Path) -> None:
    """Write networks with `models.json`, and sample pictures."""
    models.mkdir(parents=True, exist_ok=True)
    samples.mkdir(parents=True, exist_ok=True)
    painter = photo_room.load_photo_painter()
    sheet, other, part = (
        torch.rand(1, 3, 44, 48),
        torch.rand(1, 3, 44, 48),
        torch.rand(1, 16, 14, 16),
    )
    wide = {2: "height", 3: "width"}
    places = {2: "rows", 3: "columns"}
    observation = StrokeCanvas(2).reset(seed=0)[0]
    made = {
        "digit_painter.onnx": (
            digit_room.WEIGHTS_SHA256,
            to_onnx(
                digit_room.load_digit_painter(),
                {"observation": observation},
                "q_values",
                {"observation": {0: "sheets"}},
            ),
        ),
        "photo_spread.onnx": (
            photo_room.WEIGHTS_SHA256,
            to_onnx(
                Spread(painter),
                {"target": sheet, "inside": other[:, :1]},
                "spread",
                {"target": wide, "inside": wide},
            ),
        ),
        "photo_worth.onnx": (
            photo_room.WEIGHTS_SHA256,
            to_onnx(
                Worth(painter),
                {"canvas": other, "target": sheet, "spread": part},
                "q_values",
                {"canvas": wide, "target": wide, "spread": places},
            ),
        ),
    }
    named = {}
    for name, (weights, model) in made.items():
        onnx.save(model, models / name)
        named[name] = {"weights": weights, "sha256": sha256(models / name)}
        print(f"{name}: {(models / name).stat().st_size} bytes")
    (models / "models.json").write_text(json.dumps(named, indent=2) + "\n", "utf-8")
    pictures = {"astronaut": skimage.data.astronaut(), "cat": skimage.data.chelsea()}
    for name, (top, left, side) in SAMPLES.items():
        piece = pictures[name][top : top + side, left : left + side]
        Image.fromarray(piece).save(samples / f"{name}.png", optimize=True)
