// SPDX-License-Identifier: Apache-2.0
// The accelerator with memory and protocol checker beside it. Only these ports are visible to the bench; between
// doorbell and interrupt nothing but the clock crosses into Python or C++.
module tb_top #(
    parameter DATA_WIDTH = 64,
    parameter ADDR_WIDTH = 32,
    parameter ID_WIDTH = 1,
    parameter LITE_WIDTH = 12,
    parameter BYTES_LOG2 = 24
) (
    input  wire clk,
    input  wire rst,
    output wire irq,

    input  wire [LITE_WIDTH-1:0] s_axil_awaddr,
    input  wire                  s_axil_awvalid,
    output wire                  s_axil_awready,
    input  wire [31:0]           s_axil_wdata,
    input  wire [3:0]            s_axil_wstrb,
    input  wire                  s_axil_wvalid,
    output wire                  s_axil_wready,
    output wire [1:0]            s_axil_bresp,
    output wire                  s_axil_bvalid,
    input  wire                  s_axil_bready,
    input  wire [LITE_WIDTH-1:0] s_axil_araddr,
    input  wire                  s_axil_arvalid,
    output wire                  s_axil_arready,
    output wire [31:0]           s_axil_rdata,
    output wire [1:0]            s_axil_rresp,
    output wire                  s_axil_rvalid,
    input  wire                  s_axil_rready,

    input  wire [15:0] cfg_latency,
    input  wire [15:0] cfg_gap,
    input  wire [15:0] cfg_stall,
    input  wire [31:0] cfg_seed,
    input  wire        cfg_restart,
    input  wire        cfg_read_fault,
    input  wire        cfg_write_fault,
    input  wire        cfg_range_fault,
    input  wire [31:0] cfg_fault_index,
    input  wire [ADDR_WIDTH-1:0] cfg_fault_lo,
    input  wire [ADDR_WIDTH-1:0] cfg_fault_hi,
    input  wire [1:0]  cfg_fault_resp,
    input  wire        file_load,
    input  wire        file_dump,
    input  wire [31:0] file_index,
    input  wire [31:0] dump_lo,
    input  wire [31:0] dump_hi,

    output reg  [63:0] cycle,           // since reset
    output reg  [63:0] doorbell_cycle,  // of the last register write
    output reg  [63:0] irq_cycle,       // of the last rise of `irq`
    output wire        bus_busy,        // a burst is outstanding
    output wire [31:0] violations,
    output wire [7:0]  first_code,
    output wire [63:0] first_cycle,
    output wire [31:0] read_bursts,
    output wire [31:0] read_beats,
    output wire [31:0] write_bursts,
    output wire [31:0] write_beats
);
    wire [ID_WIDTH-1:0]     arid, rid, awid, bid;
    wire [ADDR_WIDTH-1:0]   araddr, awaddr;
    wire [7:0]              arlen, awlen;
    wire [2:0]              arsize, awsize, arprot, awprot;
    wire [1:0]              arburst, awburst, rresp, bresp;
    wire                    arvalid, arready, rlast, rvalid, rready;
    wire                    awvalid, awready, wlast, wvalid, wready, bvalid, bready;
    wire [DATA_WIDTH-1:0]   rdata, wdata;
    wire [DATA_WIDTH/8-1:0] wstrb;

    // Inputs are registered first. Logic that hangs on an input of the top is evaluated anew at every call of the
    // model, of which a cycle under cocotb has several; behind a register it is evaluated once per cycle.
    reg reset, restart, read_fault, write_fault, range_fault, load, dump;
    reg [15:0] latency, gap, stall;
    reg [31:0] seed, fault_index, index, lo, hi;
    reg [ADDR_WIDTH-1:0] fault_lo, fault_hi;
    reg [1:0] fault_resp;
    always @(posedge clk) begin
        {reset, restart, load, dump} <= {rst, cfg_restart, file_load, file_dump};
        {latency, gap, stall, seed} <= {cfg_latency, cfg_gap, cfg_stall, cfg_seed};
        {read_fault, write_fault, range_fault, fault_resp} <=
            {cfg_read_fault, cfg_write_fault, cfg_range_fault, cfg_fault_resp};
        {fault_index, fault_lo, fault_hi} <= {cfg_fault_index, cfg_fault_lo, cfg_fault_hi};
        {index, lo, hi} <= {file_index, dump_lo, dump_hi};
    end

    esl_accel dut (
        .clk, .rst(reset), .irq,
        .s_axil_awaddr, .s_axil_awvalid, .s_axil_awready, .s_axil_wdata, .s_axil_wstrb, .s_axil_wvalid, .s_axil_wready,
        .s_axil_bresp, .s_axil_bvalid, .s_axil_bready, .s_axil_araddr, .s_axil_arvalid, .s_axil_arready,
        .s_axil_rdata, .s_axil_rresp, .s_axil_rvalid, .s_axil_rready,
        .m_axi_arid(arid), .m_axi_araddr(araddr), .m_axi_arlen(arlen), .m_axi_arsize(arsize), .m_axi_arburst(arburst),
        .m_axi_arprot(arprot), .m_axi_arvalid(arvalid), .m_axi_arready(arready),
        .m_axi_rid(rid), .m_axi_rdata(rdata), .m_axi_rresp(rresp), .m_axi_rlast(rlast),
        .m_axi_rvalid(rvalid), .m_axi_rready(rready),
        .m_axi_awid(awid), .m_axi_awaddr(awaddr), .m_axi_awlen(awlen), .m_axi_awsize(awsize), .m_axi_awburst(awburst),
        .m_axi_awprot(awprot), .m_axi_awvalid(awvalid), .m_axi_awready(awready),
        .m_axi_wdata(wdata), .m_axi_wstrb(wstrb), .m_axi_wlast(wlast), .m_axi_wvalid(wvalid), .m_axi_wready(wready),
        .m_axi_bid(bid), .m_axi_bresp(bresp), .m_axi_bvalid(bvalid), .m_axi_bready(bready)
    );

    axi_memory #(
        .DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH), .ID_WIDTH(ID_WIDTH), .BYTES_LOG2(BYTES_LOG2)
    ) memory (
        .*, .rst(reset), .cfg_restart(restart), .cfg_latency(latency), .cfg_gap(gap), .cfg_stall(stall), .cfg_seed(seed),
        .cfg_read_fault(read_fault), .cfg_write_fault(write_fault), .cfg_range_fault(range_fault),
        .cfg_fault_index(fault_index), .cfg_fault_lo(fault_lo), .cfg_fault_hi(fault_hi), .cfg_fault_resp(fault_resp),
        .file_load(load), .file_dump(dump), .file_index(index), .dump_lo(lo), .dump_hi(hi)
    );

    axi_checker #(
        .DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH), .ID_WIDTH(ID_WIDTH)
    ) checker_m (.*, .rst(reset), .clear(restart), .busy(bus_busy));

    reg irq_before;
    always @(posedge clk) begin
        irq_before <= irq && !reset;
        cycle <= reset ? 64'd0 : cycle + 64'd1;
        if (s_axil_wvalid && s_axil_wready) doorbell_cycle <= cycle;
        if (irq && !irq_before) irq_cycle <= cycle;
    end
endmodule
