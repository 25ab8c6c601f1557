# SPDX-License-Identifier: Apache-2.0
"""Training of the embedded model: Adam with a cosine schedule and averaged weights, seeded, one core, a few minutes.

The same seed gives the same weights on one machine; another BLAS may round sums differently, which is why the float
form is committed and everything after it (quantising, writing) is reproducible to the byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from esl_ref.models.embedded_data import ByteArray, DigitSet, FloatArray, augment
from esl_ref.models.embedded_net import NETWORK, Params, backward, forward, init_params

__all__ = ["Recipe", "accuracy", "train"]


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters, chosen on 500 images set aside from the training set for that purpose."""

    seed: int = 2024
    epochs: int = 60
    batch: int = 64
    peak_rate: float = 5e-3
    warm_up_epochs: int = 2
    weight_decay: float = 1e-4
    average: float = 0.998
    """Decay of the running mean of the weights that is kept in the end (Polyak and Juditsky, 1992)."""


@dataclass
class _Adam:
    """Adam (Kingma and Ba, ICLR 2015) with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""

    decay: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    step_count: int = 0
    mean: Params = field(default_factory=dict)
    square: Params = field(default_factory=dict)

    def step(self, params: Params, grads: Params, rate: float) -> None:
        self.step_count += 1
        for name, grad in grads.items():
            first = self.mean[name] = self.beta1 * self.mean.get(name, 0.0) + (1 - self.beta1) * grad
            second = self.square[name] = self.beta2 * self.square.get(name, 0.0) + (1 - self.beta2) * grad**2
            direction = first / (1 - self.beta1**self.step_count)
            direction = direction / (np.sqrt(second / (1 - self.beta2**self.step_count)) + self.epsilon)
            decay = self.decay if name.endswith("/weight") else 0.0
            params[name] = (params[name] - rate * (direction + decay * params[name])).astype(np.float32)


def accuracy(params: Params, images: ByteArray, labels: ByteArray) -> float:
    """Fraction of images (uint8) whose largest logit is the label, in float arithmetic."""
    logits = forward(images.astype(np.float32) / 255, params)[NETWORK[-1].name]
    return float((logits.argmax(1) == labels).mean())


def _loss_gradient(logits: FloatArray, labels: ByteArray) -> tuple[float, FloatArray]:
    """Mean cross entropy of softmax, and its gradient at the logits."""
    shifted = logits - logits.max(1, keepdims=True)
    exponent = np.exp(shifted)
    probability = exponent / exponent.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(-np.log(probability[rows, labels] + 1e-12).mean())
    probability[rows, labels] -= 1
    return loss, (probability / len(labels)).astype(logits.dtype)


def _rate(recipe: Recipe, progress: float) -> float:
    """Learning rate at `progress` epochs: linear warm-up, then half a cosine down to zero."""
    if progress < recipe.warm_up_epochs:
        return recipe.peak_rate * progress / recipe.warm_up_epochs
    along = (progress - recipe.warm_up_epochs) / (recipe.epochs - recipe.warm_up_epochs)
    return float(recipe.peak_rate * 0.5 * (1 + np.cos(np.pi * along)))


def train(digits: DigitSet, recipe: Recipe, report: Callable[[int, float], None] = lambda epoch, loss: None) -> Params:
    """Float parameters after `recipe.epochs`; `report(epoch, mean loss)` is called after each epoch."""
    rng = np.random.default_rng(recipe.seed)
    params = init_params(rng)
    averaged = dict(params)
    optimiser = _Adam(recipe.weight_decay)
    images = digits.train_images.astype(np.float32) / 255
    batches = len(images) // recipe.batch
    for epoch in range(recipe.epochs):
        order = rng.permutation(len(images))
        losses = []
        for index in range(batches):
            chosen = order[index * recipe.batch : (index + 1) * recipe.batch]
            trace = forward(augment(images[chosen], rng).astype(np.float32), params)
            loss, grad = _loss_gradient(trace[NETWORK[-1].name], digits.train_labels[chosen])
            rate = _rate(recipe, epoch + (index + 1) / batches)
            optimiser.step(params, backward(trace, params, grad), rate)
            # Early weights are far off: let the mean follow quickly at first.
            keep = min(recipe.average, optimiser.step_count / (optimiser.step_count + 10))
            averaged = {k: (keep * averaged[k] + (1 - keep) * params[k]).astype(np.float32) for k in params}
            losses.append(loss)
        report(epoch, float(np.mean(losses)))
    return averaged
