# SPDX-License-Identifier: Apache-2.0
"""No unit of the accelerator has an input that nothing drives: it would silently stay zero."""


from collections.abc import Iterator

import pytest
from amaranth.hdl import Fragment, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import load
from rtl.top import Accelerator


def undriven_inputs(top: wiring.Component, components: list[wiring.Component]) -> Iterator[str]:
    """Inputs of `components` (made while `top` was built and elaborated) that no statement assigns."""

    def assigned(fragment: Fragment) -> Iterator[int]:
        for statements in fragment.statements.values():
            for statement in statements:
                yield from (id(signal) for signal in statement._lhs_signals())
        for part, *_ in fragment.subfragments:
            yield from assigned(part)

    driven = set(assigned(Fragment.get(top, None)))
    for component in components:
        for path, member, port in component.signature.flatten(component):
            signals = list(Value.cast(port)._rhs_signals())
            if member.flow is In and component is not top and not any(id(s) in driven for s in signals):
                yield f"{type(component).__name__}.{'.'.join(map(str, path))}"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[wiring.Component]:
    """Every component constructed from here on."""
    components: list[wiring.Component] = []
    construct = wiring.Component.__init__

    def remember(self, *args, **options) -> None:
        construct(self, *args, **options)
        components.append(self)

    monkeypatch.setattr(wiring.Component, "__init__", remember)
    return components


def test_every_input_is_driven(made: list[wiring.Component]) -> None:
    assert not list(undriven_inputs(Accelerator(load("tiny")), made))


class _Leaf(wiring.Component):
    used: In(1)
    forgotten: In(1)
    result: Out(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.result.eq(self.used ^ self.forgotten)
        return m


class _Careless(wiring.Component):
    result: Out(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.leaf = leaf = _Leaf()
        source = Signal()
        m.d.sync += source.eq(~source)
        m.d.comb += [leaf.used.eq(source), self.result.eq(leaf.result)]
        return m


def test_a_forgotten_input_is_found(made: list[wiring.Component]) -> None:
    assert list(undriven_inputs(_Careless(), made)) == ["_Leaf.forgotten"]
