# SPDX-License-Identifier: Apache-2.0
"""Everything between the bus and the compute engine: fetch, queues, loader, storer, records, registers, sequencer."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.commands import QUEUES
from rtl.axi.link import read_link, write_link
from rtl.axi.lite import LiteSignature
from rtl.axi.read_master import ReadMaster
from rtl.axi.write_master import WriteMaster
from rtl.counters import Counters
from rtl.engine import Engine
from rtl.fetch import Fetch
from rtl.load_types import Destination
from rtl.loader import Loader
from rtl.op import Cause
from rtl.pipeline import STORE_READ_LATENCY
from rtl.profile import Profile
from rtl.queues import CommandQueue
from rtl.registers import Registers
from rtl.retire import Retire
from rtl.sequencer import Sequencer, deadlock_cycles
from rtl.storer import Storer

__all__ = ["Control"]

LOAD, STORE, COMPUTE = range(len(QUEUES))


class Control(wiring.Component):
    """Runs Programs on an `Engine`, whose ports it drives in `connect_engine` of the same module.

    All but the registers is cleared by one synchronous flush at every doorbell and after an error, so that what
    another Program left behind changes nothing but the contents of memories, which no good Program reads.

    Members
    -------
    read, write : Out(read_link), Out(write_link)
    lite : In(LiteSignature)
    irq : Out(1)
    """

    def __init__(self, arch: Arch, engine: Engine):
        self._arch, self._engine = arch, engine
        super().__init__({
            "read": Out(read_link(arch.axi_bytes)),
            "write": Out(write_link(arch.axi_bytes)),
            "lite": In(LiteSignature),
            "irq": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self._arch
        self._flush = Signal(name="flush")
        m.submodules.registers = self._registers = Registers(arch)
        # Of the engine, and of the four units in `_connect_sequencer`: the first in this order goes first.
        m.submodules.sequencer = self._sequencer = Sequencer(faults=5, silence=deadlock_cycles(arch))
        self._counters = Counters()
        m.submodules.counters = ResetInserter(self._sequencer.new_program)(self._counters)
        self._fetch = self._add(m, "fetch", Fetch(arch))
        self._queues = [self._add(m, f"{name}_queue", CommandQueue(arch)) for name in QUEUES]
        self._retire = [self._add(m, f"{name}_retire", Retire()) for name in QUEUES]
        self._loader = self._add(m, "loader", Loader(arch))
        self._storer = self._add(m, "storer", Storer(arch, STORE_READ_LATENCY))
        self._profile = self._add(m, "profile", Profile(arch))
        self._reads = self._add(m, "read_master", ReadMaster(arch, clients=2))
        self._writes = self._add(m, "write_master", WriteMaster(arch, clients=2))
        self._connect_bus(m)
        self._connect_queues(m)
        self._connect_engine(m)
        self._connect_profile(m)
        self._connect_counters(m)
        self._connect_sequencer(m)
        self._connect_registers(m)
        return m

    def _add(self, m: Module, name: str, unit: wiring.Component) -> wiring.Component:
        m.submodules[name] = ResetInserter(self._flush)(unit)
        return unit

    def _connect_bus(self, m: Module) -> None:
        wiring.connect(m, self._fetch.client, self._reads.client[0])
        wiring.connect(m, self._loader.client, self._reads.client[1])
        wiring.connect(m, self._profile.client, self._writes.client[0])
        wiring.connect(m, self._storer.client, self._writes.client[1])
        wiring.connect(m, self._reads.link, wiring.flipped(self.read))
        wiring.connect(m, self._writes.link, wiring.flipped(self.write))

    def _connect_queues(self, m: Module) -> None:
        units = (self._loader.command, self._storer.command, self._engine.command)
        m.d.comb += self._fetch.prog_addr.eq(self._registers.prog_addr)
        completed = (self._loader.completed, self._storer.completed, self._engine.completed)
        for i, (queue, retire) in enumerate(zip(self._queues, self._retire, strict=True)):
            m.d.comb += [
                queue.write.eq(self._fetch.write[i]),
                queue.word.eq(self._fetch.word),
                queue.index.eq(self._fetch.index),
                self._fetch.used[i].eq(queue.used),
                retire.completed.eq(completed[i]),
            ]
            wiring.connect(m, queue.command, retire.queue)
            wiring.connect(m, retire.unit, units[i])
        for unit in (self._loader, self._storer):
            m.d.comb += [
                unit.counts.load.eq(self._retire[LOAD].count),
                unit.counts.store.eq(self._retire[STORE].count),
                unit.counts.compute.eq(self._engine.computes_done),
            ]
            m.d.comb += [base.eq(own) for base, own in zip(unit.bases.base, self._registers.bases.base, strict=True)]

    def _connect_engine(self, m: Module) -> None:
        engine, loader, storer = self._engine, self._loader, self._storer
        placed = loader.placed
        m.d.comb += [
            engine.clear.eq(self._flush),
            engine.loads_done.eq(self._retire[LOAD].count),
            engine.stores_done.eq(self._retire[STORE].count),
            engine.load_addr.eq(placed.payload.addr),
            engine.load_data.eq(placed.payload.data),
            engine.load_count.eq(placed.payload.count),
            engine.weight_word.eq(placed.payload.addr),
            engine.weight_lane.eq(placed.payload.lane),
            engine.weight_data.eq(placed.payload.data),
            engine.table_beat.eq(placed.payload.addr),
            engine.table_data.eq(placed.payload.data),
            engine.read_valid.eq(storer.read_valid),
            engine.read_addr.eq(storer.read_addr),
            storer.read_data_valid.eq(engine.read_data_valid),
            storer.read_data.eq(engine.read_data),
            placed.ready.eq(1),
        ]
        with m.Switch(placed.payload.destination):
            with m.Case(Destination.ROWS):
                m.d.comb += [engine.load_valid.eq(placed.valid), placed.ready.eq(engine.load_ready)]
            with m.Case(Destination.WEIGHTS):
                m.d.comb += engine.weight_valid.eq(placed.valid)
            with m.Case(Destination.TABLE):
                m.d.comb += engine.table_valid.eq(placed.valid)

    def _connect_profile(self, m: Module) -> None:
        m.d.comb += self._profile.base.eq(self._registers.profile_addr)
        profiling = Signal()
        m.d.sync += profiling.eq(self._registers.profile_addr != 0)  # locked while a Program runs
        for retire, record in zip(self._retire, self._profile.record, strict=True):
            wiring.connect(m, retire.record, record)
            m.d.comb += retire.profiling.eq(profiling)
        for own, counted in zip(self._profile.counters, self._counters.following, strict=True):
            m.d.comb += own.eq(counted)

    def _incomplete(self, queue: int) -> Signal:
        return ~self._queues[queue].empty | ~self._retire[queue].empty

    def _connect_counters(self, m: Module) -> None:
        counters = self._counters
        m.d.comb += [
            counters.run.eq(self._sequencer.run),
            counters.cause.eq(self._engine.cause),
            counters.ended.eq(self._fetch.ended),
            counters.loading.eq(self._incomplete(LOAD)),
            counters.storing.eq(self._incomplete(STORE) | ~self._profile.idle),
            counters.computing.eq(self._incomplete(COMPUTE)),
            counters.arrived.eq(self._loader.arrived),
            counters.destination.eq(self._loader.destination),
            counters.read_beat.eq(self._reads.beat),
            counters.write_beat.eq(self._writes.beat),
        ]
        m.d.comb += [counters.retired[i].eq(retire.retired) for i, retire in enumerate(self._retire)]

    def _connect_sequencer(self, m: Module) -> None:
        sequencer, engine = self._sequencer, self._engine
        m.d.comb += [
            sequencer.start.eq(self._registers.start),
            self._flush.eq(sequencer.flush),
            self._fetch.enable.eq(sequencer.run),
            self._reads.stop.eq(sequencer.stop),
            self._writes.stop.eq(sequencer.stop),
        ]
        of_engine = sequencer.faults[0]
        m.d.comb += [
            of_engine.valid.eq(engine.error),
            of_engine.code.eq(engine.error_code),
            of_engine.index.eq(engine.error_index),
        ]
        for unit, fault in zip(
            (self._fetch, self._loader, self._storer, self._profile), list(sequencer.faults)[1:], strict=True
        ):
            wiring.connect(m, unit.fault, fault)
        self._watch(m)

    def _watch(self, m: Module) -> None:
        """What is going on: for END, for the drain after an error, and for the deadlock detector."""
        sequencer, engine, reads, writes = self._sequencer, self._engine, self._reads, self._writes
        busy = Signal(name="bus_busy")
        asking = Signal(name="bus_asking")
        placing = self._loader.placed.valid
        stalled = Value.cast(engine.cause).matches(Cause.WAIT_LOAD, Cause.WAIT_STORE, Cause.WAIT_COMPUTE)
        incomplete = self._incomplete(LOAD) | self._incomplete(STORE) | self._incomplete(COMPUTE)
        m.d.comb += [
            busy.eq(reads.busy | writes.busy),
            asking.eq(reads.asking | writes.asking),
            sequencer.bus_busy.eq(busy),
            sequencer.finished.eq(self._fetch.ended & ~incomplete & self._profile.idle & ~busy & ~asking),
            # A load of few bytes per lane goes on long after its last beat.
            sequencer.progress.eq(busy | asking | placing | ~(stalled | (engine.cause == Cause.NONE))),
        ]
        # The first command in the stream that waits: by rule 1 of Programs it is the one that waits for a later one.
        first: Value = Const((1 << 32) - 1, 32)
        for name, waits, index in (
            ("compute", stalled, self._retire[COMPUTE].oldest),
            ("load", self._loader.waiting, self._queues[LOAD].command.payload.index),
            ("store", self._storer.waiting, self._queues[STORE].command.payload.index),
        ):
            waited = Signal(name=f"{name}_waited")  # none of this changes while all is silent
            m.d.sync += waited.eq(waits)
            lowest = Signal(32, name=f"{name}_or_before")
            m.d.sync += lowest.eq(Mux(waited & (index < first), index, first))
            first = lowest
        m.d.comb += sequencer.waiting_index.eq(first)

    def _connect_registers(self, m: Module) -> None:
        registers, sequencer = self._registers, self._sequencer
        wiring.connect(m, wiring.flipped(self.lite), registers.bus)
        m.d.comb += [
            self.irq.eq(registers.irq),
            registers.busy.eq(sequencer.busy),
            registers.done.eq(sequencer.done),
            registers.error.eq(sequencer.error),
            registers.error_code.eq(sequencer.error_code),
            registers.error_index.eq(sequencer.error_index),
            registers.done_event.eq(sequencer.done_event),
            registers.error_event.eq(sequencer.error_event),
        ]
        m.d.comb += [own.eq(value) for own, value in zip(registers.counters, self._counters.value, strict=True)]
