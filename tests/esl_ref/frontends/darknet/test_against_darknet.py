# SPDX-License-Identifier: Apache-2.0
"""Every layer and option against Debian's darknet, which this code shares nothing with."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.floating import FloatGraph
from esl_ref.floating.executor import run
from tests.esl_ref.frontends.darknet.nets import CASES, image, made
from tests.helpers.darknet_oracle import Job, need_darknet, predict

Answers = dict[str, tuple[FloatGraph, np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """By case: the graph, the picture, and what Darknet makes of it."""
    need_darknet()
    jobs, graphs = [], []
    for case, text in CASES.items():
        folder = tmp_path_factory.mktemp(case)
        network, cfg, weights, graph = made(folder, text)
        jobs.append(Job(cfg, weights, image(network), network.layers[-1].shape))
        graphs.append(graph)
    results = predict(jobs, tmp_path_factory.mktemp("oracle"))
    return {case: (graph, job.image, result)
            for case, graph, job, result in zip(CASES, graphs, jobs, results, strict=True)}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_layers(case: str, answers: Answers) -> None:
    graph, picture, want = answers[case]
    got = run(graph, {"input": picture[None]})[graph.outputs[-1]]
    # Rounding of float32 sums in another order, some ten products each.
    np.testing.assert_allclose(got.reshape(want.shape), want, rtol=1e-5, atol=1e-5)
