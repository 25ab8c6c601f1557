# SPDX-License-Identifier: Apache-2.0
"""Which keys a section may have: what decides the result, what only training reads, and what changes the result in a
way that is not supported.

A key in none of these lists is an error and not ignored: a misspelled `padding` would change every number after it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.darknet.sections import Section

__all__ = ["ALIASES", "KINDS", "check_keys", "training_keys"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ALIASES = {"network": "net", "conv": "convolutional", "conn": "connected", "max": "maxpool", "avg": "avgpool",
           "soft": "softmax"}  # fmt: skip
"""Short names that Darknet knows, too."""

_STEPS = "stride stride_x stride_y"

_USED: Mapping[str, frozenset[str]] = {
    "net": _set("height width channels inputs"),
    "convolutional": _set(
        f"filters size {_STEPS} pad padding dilation groups activation batch_normalize flipped"),
    "connected": _set("output activation batch_normalize"),
    "local": _set("filters size stride pad activation"),
    "maxpool": _set(f"size {_STEPS} padding"),
    "avgpool": _set(""),
    "route": _set("layers groups group_id"),
    "shortcut": _set("from activation alpha beta"),
    "upsample": _set("stride scale"),
    "reorg": _set("stride reverse extra"),
    "crop": _set("crop_height crop_width noadjust"),
    "softmax": _set("groups temperature tree"),
    "activation": _set("activation"),
    "logistic": _set(""),
    "scale_channels": _set("from activation"),
    "sam": _set("from activation"),
    "dropout": _set(""),
    "cost": _set(""),
    "region": _set("anchors classes coords num softmax background tree"),
    "yolo": _set("anchors mask classes num scale_x_y new_coords"),
    "detection": _set("classes coords num side softmax sqrt"),
}  # fmt: skip
KINDS = frozenset(_USED)
"""Sections that are supported."""

_TRAINING_NET = _set("""
    batch subdivisions time_steps learning_rate learning_rate_min momentum decay adam B1 B2 eps policy burn_in step
    scale steps scales seq_scales sgdr_cycle sgdr_mult gamma power max_batches max_crop min_crop center angle aspect
    saturation exposure hue flip blur gaussian_noise mixup cutmix mosaic mosaic_bound letter_box label_smooth_eps
    resize_step random notruth seen track augment_speed sequential_subdivisions try_fix_nan loss_scale
    dynamic_minibatch optimized_memory workspace_size_limit_MB attention adversarial_lr max_chart_loss contrastive
    contrastive_color contrastive_jit_flip unsupervised equidistant_point ema_alpha ema_start_point hard_noise
    num_sigmas_reject_badlabels badlabels_rejection_percentage weights_reject_freq init_sequential_subdivisions
""")
_TRAINING_ANY = _set("""
    learning_rate_scale truth onlyforward stopbackward dontsave clip smooth dont_update burnin_update train_only_bn
    keep_delta_gpu use_mixed_precision stream wait_stream_id dot noloss
""")
_TRAINING_HEAD = _set("""
    jitter rescore thresh classfix absolute random coord_scale object_scale noobject_scale mask_scale class_scale
    bias_match max map log reorg forced ignore_thresh truth_thresh iou_thresh iou_thresh_kind iou_loss iou_normalizer
    cls_normalizer obj_normalizer delta_normalizer uc_normalizer max_delta label_smooth_eps counters_per_class
    focal_loss objectness_smooth resize beta_nms nms_kind show_details sqrt embedding_layer sim_thresh
    dets_for_track dets_for_show track_history_size track_ciou_norm
""")
_TRAINING: Mapping[str, frozenset[str]] = {
    "net": _TRAINING_NET,
    "dropout": _set("probability dropblock dropblock_size_rel dropblock_size_abs"),
    "cost": _set("type scale ratio"),
    "crop": _set("flip angle saturation exposure shift"),
    "softmax": _set("spatial"),  # only read where Darknet computes on a GPU
    "region": _TRAINING_HEAD,
    "yolo": _TRAINING_HEAD,
    "detection": _TRAINING_HEAD,
}

_NEUTRAL_ANY = {"dontload": "0", "dontloadscales": "0", "numload": "0"}
_NEUTRAL: Mapping[str, Mapping[str, str]] = {
    "convolutional": {
        "xnor": "0", "binary": "0", "bin_output": "0", "antialiasing": "0", "cbn": "0", "sway": "0", "rotate": "0",
        "stretch": "0", "stretch_sway": "0", "assisted_excitation": "0", "coordconv": "0", "share_index": "",
        "reverse": "0", "grad_centr": "0", "angle": "",
    },
    "maxpool": {"maxpool_depth": "0", "out_channels": "1", "antialiasing": "0"},
    "shortcut": {"weights_type": "none", "weights_normalization": "none", "weights_normalizion": "none"},
    "reorg": {"flatten": "0"},
    "scale_channels": {"scale_wh": "0"},
}  # fmt: skip
"""Keys of which only one value is supported."""


def check_keys(section: Section, kind: str) -> None:
    """ModelError for a key that nothing is known of, UnsupportedError for one whose value is not supported."""
    neutral = {**_NEUTRAL_ANY, **_NEUTRAL.get(kind, {})}
    known = _USED[kind] | _TRAINING.get(kind, frozenset()) | _TRAINING_ANY | set(neutral)
    for key, option in section.options.items():
        if key not in known:
            close = difflib.get_close_matches(key, sorted(known), 1)
            hint = f"did you mean '{close[0]}'?" if close else f"[{kind}] knows no such key"
            raise ModelError(f"unknown key '{key[:40]}'", where=section.place(key), hint=hint)
        if key in neutral and option.value != neutral[key]:
            only = f"only {key} = {neutral[key]} is" if neutral[key] else "leave it out"
            raise UnsupportedError(f"{key} = {option.value[:40]} is not supported", where=section.place(key), hint=only)


def training_keys(section: Section, kind: str) -> list[str]:
    """The section's keys that are ignored because only training reads them, in the order of the file."""
    used = _USED[kind]
    ignored = _TRAINING.get(kind, frozenset()) | _TRAINING_ANY
    return [key for key in section.options if key in ignored and key not in used]
