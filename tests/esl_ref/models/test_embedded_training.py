# SPDX-License-Identifier: Apache-2.0
"""The optimiser, the loss and the schedule; whole trainings are in test_train_embedded."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.models import embedded_training as training
from esl_ref.models.embedded_data import DigitSet


def _toy_digits(count: int = 128) -> DigitSet:
    """Two classes told apart by where a bright square lies."""
    labels = np.arange(count, dtype=np.uint8) % 2
    images = np.zeros((count, 28, 28, 1), np.uint8)
    images[labels == 0, 4:12, 4:12] = 255
    images[labels == 1, 16:24, 16:24] = 255
    return DigitSet(images, labels, images[:16], labels[:16])


def test_training_learns_and_repeats_with_its_seed() -> None:
    recipe = training.Recipe(epochs=5, batch=16, warm_up_epochs=1, average=0.9)
    losses: list[float] = []
    first = training.train(_toy_digits(), recipe, lambda epoch, loss: losses.append(loss))
    second = training.train(_toy_digits(), recipe)
    assert losses[-1] < losses[0] / 4
    assert training.accuracy(first, _toy_digits().test_images, _toy_digits().test_labels) == 1.0
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_loss_gradient_equals_finite_difference() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((4, 10)), np.array([0, 3, 9, 3], np.uint8)
    _, gradient = training._loss_gradient(logits, labels)
    step, direction = 1e-6, rng.standard_normal((4, 10))
    ahead, behind = (training._loss_gradient(logits + s * step * direction, labels)[0] for s in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)


def test_rate_warms_up_to_its_peak_and_falls_to_zero() -> None:
    recipe = training.Recipe(epochs=10, warm_up_epochs=2, peak_rate=0.5)
    rates = [training._rate(recipe, progress) for progress in np.linspace(0, 10, 41)]
    assert rates[0] == 0 and max(rates) == rates[8] == 0.5 and rates[-1] == pytest.approx(0)
    assert all(a >= b for a, b in zip(rates[8:], rates[9:], strict=False))


def test_adam_finds_the_minimum_of_a_parabola() -> None:
    params = {"a/weight": np.array([5.0], np.float32), "a/bias": np.array([-5.0], np.float32)}
    adam = training._Adam(decay=0.0)
    for _ in range(600):
        adam.step(params, {name: 2 * (value - 1) for name, value in params.items()}, 0.05)
    assert all(abs(float(value[0]) - 1) < 1e-2 for value in params.values())


def test_decay_shrinks_weights_but_not_biases() -> None:
    params = {"a/weight": np.ones(1, np.float32), "a/bias": np.ones(1, np.float32)}
    training._Adam(decay=0.5).step(params, {name: np.zeros(1, np.float32) for name in params}, 0.1)
    assert float(params["a/weight"][0]) == pytest.approx(0.95) and float(params["a/bias"][0]) == 1
