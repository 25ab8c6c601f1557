# SPDX-License-Identifier: Apache-2.0
"""The accelerator in Amaranth: components, top level, generator, and views of the register map."""
