# SPDX-License-Identifier: Apache-2.0
"""What keeps a file from being imported, node by node: for a list that shows all of it at once."""

from __future__ import annotations

from pathlib import Path

from esl_ref.errors import EslError, UnsupportedError
from esl_ref.frontends.onnx.context import Context
from esl_ref.frontends.onnx.importer import convert, enter, import_middle, importer_of
from esl_ref.frontends.onnx.integer import integer_graph
from esl_ref.frontends.onnx.reader import read_file
from esl_ref.frontends.onnx.schema import FileModel, FileNode
from esl_ref.frontends.tflite.importer import Verdict

__all__ = ["verdicts"]


def _said(error: EslError) -> str:
    return f"not at all: {error.what}{'; ' + error.hint if error.hint else ''}"


def _of_nodes(model: FileModel) -> dict[int, str]:
    """Node -> why it is refused. What reads the result of a refused node cannot be judged."""
    ctx, said, missing = Context(model), dict[int, str](), set[str]()
    for value in model.inputs:
        enter(ctx, value)
    for node in model.nodes:
        known = importer_of(node, model.opset) is not None
        if missing & set(node.inputs):
            said[node.index] = "not judged: reads the result of a node that is refused"
        else:
            try:
                if not convert(ctx, node, only_fold=not known):
                    said[node.index] = f"not at all: no such operator here, or not in operator set {model.opset}"
            except EslError as error:
                said[node.index] = _said(error)
        if node.index in said:
            missing |= set(node.outputs)
    return said


def _of_the_whole(model: FileModel) -> tuple[str, str]:
    """(tensor, why): what the quantised form refuses, which shows only once all nodes are known."""
    try:
        middle = import_middle(model)
        if middle.quantised:
            integer_graph(middle, {})
    except UnsupportedError as error:
        return error.where.rpartition("operator '")[2].rstrip("'"), _said(error)
    return "", ""


def _makes(node: FileNode, tensor: str) -> bool:
    return tensor in node.outputs or tensor.partition("#")[0] in node.outputs


def verdicts(path: str | Path) -> list[Verdict] | None:
    """Every node of a file with what keeps it from being imported; None if the file itself is refused."""
    try:
        model = read_file(path)
        said = _of_nodes(model)
        tensor, why = ("", "") if said else _of_the_whole(model)
    except (EslError, OSError):
        return None
    said |= {node.index: why for node in model.nodes if why and _makes(node, tensor)}
    return [Verdict(node.index, node.op, said.get(node.index, "supported")) for node in model.nodes]
