// SPDX-License-Identifier: Apache-2.0
// Memory and checker alone, with the AXI4 link as ports, so that another implementation of the protocol can drive it.
module tb_memory #(
    parameter DATA_WIDTH = 64,
    parameter ADDR_WIDTH = 32,
    parameter ID_WIDTH = 4,
    parameter BYTES_LOG2 = 20
) (
    input  wire clk,
    input  wire rst,

    input  wire [15:0] cfg_latency,
    input  wire [15:0] cfg_gap,
    input  wire [15:0] cfg_stall,
    input  wire [31:0] cfg_seed,
    input  wire        cfg_restart,

    input  wire [ID_WIDTH-1:0]     s_axi_arid,
    input  wire [ADDR_WIDTH-1:0]   s_axi_araddr,
    input  wire [7:0]              s_axi_arlen,
    input  wire [2:0]              s_axi_arsize,
    input  wire [1:0]              s_axi_arburst,
    input  wire                    s_axi_arvalid,
    output wire                    s_axi_arready,
    output wire [ID_WIDTH-1:0]     s_axi_rid,
    output wire [DATA_WIDTH-1:0]   s_axi_rdata,
    output wire [1:0]              s_axi_rresp,
    output wire                    s_axi_rlast,
    output wire                    s_axi_rvalid,
    input  wire                    s_axi_rready,
    input  wire [ID_WIDTH-1:0]     s_axi_awid,
    input  wire [ADDR_WIDTH-1:0]   s_axi_awaddr,
    input  wire [7:0]              s_axi_awlen,
    input  wire [2:0]              s_axi_awsize,
    input  wire [1:0]              s_axi_awburst,
    input  wire                    s_axi_awvalid,
    output wire                    s_axi_awready,
    input  wire [DATA_WIDTH-1:0]   s_axi_wdata,
    input  wire [DATA_WIDTH/8-1:0] s_axi_wstrb,
    input  wire                    s_axi_wlast,
    input  wire                    s_axi_wvalid,
    output wire                    s_axi_wready,
    output wire [ID_WIDTH-1:0]     s_axi_bid,
    output wire [1:0]              s_axi_bresp,
    output wire                    s_axi_bvalid,
    input  wire                    s_axi_bready,

    output wire [31:0] violations,
    output wire [7:0]  first_code,
    output wire [63:0] first_cycle,
    output reg  [63:0] cycle,
    output reg  [4:0]  most_reads       // largest number of read bursts outstanding at once
);
    wire [31:0] read_bursts, read_beats, write_bursts, write_beats;
    axi_memory #(
        .DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH), .ID_WIDTH(ID_WIDTH), .BYTES_LOG2(BYTES_LOG2)
    ) memory (
        .clk, .rst, .cfg_latency, .cfg_gap, .cfg_stall, .cfg_seed, .cfg_restart,
        .cfg_read_fault(1'b0), .cfg_write_fault(1'b0), .cfg_range_fault(1'b0), .cfg_fault_index(32'd0),
        .cfg_fault_lo({ADDR_WIDTH{1'b0}}), .cfg_fault_hi({ADDR_WIDTH{1'b0}}), .cfg_fault_resp(2'd0),
        .file_load(1'b0), .file_dump(1'b0), .file_index(32'd0), .dump_lo(32'd0), .dump_hi(32'd0),
        .read_bursts, .read_beats, .write_bursts, .write_beats,
        .arid(s_axi_arid), .araddr(s_axi_araddr), .arlen(s_axi_arlen), .arsize(s_axi_arsize),
        .arvalid(s_axi_arvalid), .arready(s_axi_arready),
        .rid(s_axi_rid), .rdata(s_axi_rdata), .rresp(s_axi_rresp), .rlast(s_axi_rlast),
        .rvalid(s_axi_rvalid), .rready(s_axi_rready),
        .awid(s_axi_awid), .awaddr(s_axi_awaddr), .awlen(s_axi_awlen), .awsize(s_axi_awsize),
        .awvalid(s_axi_awvalid), .awready(s_axi_awready),
        .wdata(s_axi_wdata), .wstrb(s_axi_wstrb), .wlast(s_axi_wlast), .wvalid(s_axi_wvalid), .wready(s_axi_wready),
        .bid(s_axi_bid), .bresp(s_axi_bresp), .bvalid(s_axi_bvalid), .bready(s_axi_bready)
    );
    wire bus_busy;
    axi_checker #(
        .DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH), .ID_WIDTH(ID_WIDTH)
    ) checker_m (
        .clk, .rst, .clear(cfg_restart), .cycle,
        .arid(s_axi_arid), .araddr(s_axi_araddr), .arlen(s_axi_arlen), .arsize(s_axi_arsize),
        .arburst(s_axi_arburst), .arprot(3'b000), .arvalid(s_axi_arvalid), .arready(s_axi_arready),
        .rid(s_axi_rid), .rdata(s_axi_rdata), .rresp(s_axi_rresp), .rlast(s_axi_rlast),
        .rvalid(s_axi_rvalid), .rready(s_axi_rready),
        .awid(s_axi_awid), .awaddr(s_axi_awaddr), .awlen(s_axi_awlen), .awsize(s_axi_awsize),
        .awburst(s_axi_awburst), .awprot(3'b000), .awvalid(s_axi_awvalid), .awready(s_axi_awready),
        .wdata(s_axi_wdata), .wstrb(s_axi_wstrb), .wlast(s_axi_wlast), .wvalid(s_axi_wvalid), .wready(s_axi_wready),
        .bid(s_axi_bid), .bresp(s_axi_bresp), .bvalid(s_axi_bvalid), .bready(s_axi_bready),
        .violations, .first_code, .first_cycle, .busy(bus_busy)
    );

    reg [4:0] reads;
    wire [4:0] reads_next = reads + 5'(s_axi_arvalid && s_axi_arready)
                          - 5'(s_axi_rvalid && s_axi_rready && s_axi_rlast);
    always @(posedge clk) begin
        cycle <= rst ? 64'd0 : cycle + 64'd1;
        reads <= rst ? 5'd0 : reads_next;
        if (rst || cfg_restart) most_reads <= 5'd0;
        else if (reads_next > most_reads) most_reads <= reads_next;
    end
endmodule
