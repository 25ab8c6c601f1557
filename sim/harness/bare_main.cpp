// SPDX-License-Identifier: Apache-2.0
// The harness driven by a plain C++ loop, to measure what cocotb costs on the very same Verilated model.
//
//   bare TIMEOUT_CYCLES [load] [NAME=VALUE ...] [ADDRESS:VALUE ...] +memory=PREFIX
//
// NAME=VALUE sets a cfg_* port, ADDRESS:VALUE writes a register; both decimal, in this order. The last write is the
// doorbell. Prints cycles and seconds from there to the interrupt, as JSON. Exit code 3 if no interrupt came.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

constexpr int kMaxWaitCycles = 1000;
Vtop* top;  // not a static object: the run-time library's own statics would be gone before it at exit

void settle() {
    top->clk = 0;
    top->eval();
}

void edge() {
    top->clk = 1;
    top->eval();
}

void cycle() {
    settle();
    edge();
}

void configure(const std::string& name, uint64_t value) {
#define ESL_PORT(port) \
    if (name == #port) { top->cfg_##port = value; return; }
    ESL_PORT(latency) ESL_PORT(gap) ESL_PORT(stall) ESL_PORT(seed)
    ESL_PORT(read_fault) ESL_PORT(write_fault) ESL_PORT(range_fault)
    ESL_PORT(fault_index) ESL_PORT(fault_lo) ESL_PORT(fault_hi) ESL_PORT(fault_resp)
#undef ESL_PORT
    std::fprintf(stderr, "unknown port cfg_%s\n", name.c_str());
    std::exit(2);
}

void write_register(uint32_t address, uint32_t value) {
    top->s_axil_awaddr = address;
    top->s_axil_wdata = value;
    top->s_axil_wstrb = 15;
    top->s_axil_awvalid = top->s_axil_wvalid = 1;
    top->s_axil_bready = 1;
    for (int i = 0; i < kMaxWaitCycles; i++) {
        settle();
        const bool aw = top->s_axil_awready, w = top->s_axil_wready, b = top->s_axil_bvalid;
        edge();
        if (aw) top->s_axil_awvalid = 0;
        if (w) top->s_axil_wvalid = 0;
        if (b && !top->s_axil_awvalid && !top->s_axil_wvalid) return;
    }
    std::fprintf(stderr, "register write to 0x%x was not answered\n", address);
    std::exit(2);
}

template <typename Port>
void pulse(Port& port) {
    port = 1;
    cycle();
    port = 0;
    for (int i = 0; i < 2; i++) cycle();  // what it takes to act behind the harness's input register
}

}  // namespace

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    if (argc < 2) {
        std::fprintf(stderr, "usage: bare TIMEOUT_CYCLES [load] [NAME=VALUE ...] [ADDRESS:VALUE ...] +memory=PREFIX\n");
        return 2;
    }
    const uint64_t timeout = std::strtoull(argv[1], nullptr, 10);
    const auto model = std::make_unique<Vtop>("");
    top = model.get();
    top->rst = 1;
    for (int i = 0; i < 4; i++) cycle();
    top->rst = 0;
    cycle();
    for (int i = 2; i < argc; i++) {
        char* value = std::strpbrk(argv[i], "=:");
        if (argv[i][0] == '+') continue;
        if (!std::strcmp(argv[i], "load")) {
            pulse(top->file_load);
        } else if (value && *value == '=') {
            configure(std::string(argv[i], value - argv[i]), std::strtoull(value + 1, nullptr, 10));
            pulse(top->cfg_restart);
        } else if (value) {
            write_register(std::strtoul(argv[i], nullptr, 10), std::strtoul(value + 1, nullptr, 10));
        }
    }
    const uint64_t doorbell = top->doorbell_cycle;
    const auto start = std::chrono::steady_clock::now();
    uint64_t waited = 0;
    while (!top->irq && waited < timeout) {
        cycle();
        waited++;
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    cycle();
    cycle();
    std::printf("{\"cycles\": %llu, \"simulated\": %llu, \"seconds\": %.6f}\n",
                static_cast<unsigned long long>(top->irq_cycle - doorbell), static_cast<unsigned long long>(waited),
                seconds.count());
    return waited < timeout ? 0 : 3;
}
