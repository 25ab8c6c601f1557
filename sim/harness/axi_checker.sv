// SPDX-License-Identifier: Apache-2.0
// Watches one AXI4 link and counts breaches of the protocol. The first breach is latched with its code and cycle, so
// that the bench can fail with a reason; the codes are explained in sim/protocol.py. It never stops the simulation.

// A `valid` that is up with `ready` down must stay, and its payload with it (AXI4, A3.2.1).
module axi_stable #(
    parameter WIDTH = 1
) (
    input  wire clk,
    input  wire rst,
    input  wire valid,
    input  wire ready,
    input  wire [WIDTH-1:0] payload,
    output wire dropped,
    output wire changed
);
    reg waiting;
    reg [WIDTH-1:0] held;
    assign dropped = waiting && !valid;
    assign changed = waiting && valid && payload != held;
    always @(posedge clk) begin
        waiting <= !rst && valid && !ready;
        held <= payload;
    end
endmodule

module axi_checker #(
    parameter DATA_WIDTH = 64,
    parameter ADDR_WIDTH = 32,
    parameter ID_WIDTH = 1,
    parameter QUEUE_LOG2 = 4
) (
    input wire clk,
    input wire rst,
    input wire clear,
    input wire [63:0] cycle,

    input wire [ID_WIDTH-1:0]     arid,
    input wire [ADDR_WIDTH-1:0]   araddr,
    input wire [7:0]              arlen,
    input wire [2:0]              arsize,
    input wire [1:0]              arburst,
    input wire [2:0]              arprot,
    input wire                    arvalid,
    input wire                    arready,
    input wire [ID_WIDTH-1:0]     rid,
    input wire [DATA_WIDTH-1:0]   rdata,
    input wire [1:0]              rresp,
    input wire                    rlast,
    input wire                    rvalid,
    input wire                    rready,
    input wire [ID_WIDTH-1:0]     awid,
    input wire [ADDR_WIDTH-1:0]   awaddr,
    input wire [7:0]              awlen,
    input wire [2:0]              awsize,
    input wire [1:0]              awburst,
    input wire [2:0]              awprot,
    input wire                    awvalid,
    input wire                    awready,
    input wire [DATA_WIDTH-1:0]   wdata,
    input wire [DATA_WIDTH/8-1:0] wstrb,
    input wire                    wlast,
    input wire                    wvalid,
    input wire                    wready,
    input wire [ID_WIDTH-1:0]     bid,
    input wire [1:0]              bresp,
    input wire                    bvalid,
    input wire                    bready,

    output reg [31:0] violations,
    output reg [7:0]  first_code,
    output reg [63:0] first_cycle,
    output wire       busy          // a burst is outstanding
);
    localparam [2:0] FULL_SIZE = 3'($clog2(DATA_WIDTH / 8));
    localparam DEPTH = 1 << QUEUE_LOG2;
    localparam [1:0] INCR = 2'b01;

    // One bit per rule; bit n has code n + 1.
    wire [31:0] breach;

    axi_stable #(ID_WIDTH + ADDR_WIDTH + 16) ar_stable (
        clk, rst, arvalid, arready, {arid, araddr, arlen, arsize, arburst, arprot}, breach[0], breach[1]);
    axi_stable #(ID_WIDTH + ADDR_WIDTH + 16) aw_stable (
        clk, rst, awvalid, awready, {awid, awaddr, awlen, awsize, awburst, awprot}, breach[2], breach[3]);
    axi_stable #(DATA_WIDTH + DATA_WIDTH / 8 + 1) w_stable (
        clk, rst, wvalid, wready, {wdata, wstrb, wlast}, breach[4], breach[5]);
    axi_stable #(ID_WIDTH + DATA_WIDTH + 3) r_stable (
        clk, rst, rvalid, rready, {rid, rdata, rresp, rlast}, breach[6], breach[7]);
    axi_stable #(ID_WIDTH + 2) b_stable (
        clk, rst, bvalid, bready, {bid, bresp}, breach[8], breach[9]);

    // Last byte of a burst: its first address, aligned to the beat, plus the length.
    function automatic [ADDR_WIDTH:0] last_byte(input [ADDR_WIDTH-1:0] addr, input [7:0] len, input [2:0] size);
        return {1'b0, (addr >> size) << size} + (({{(ADDR_WIDTH-7){1'b0}}, len} + 1) << size) - 1;
    endfunction

    wire ar_take = arvalid && arready, aw_take = awvalid && awready;
    wire w_take = wvalid && wready, r_take = rvalid && rready, b_take = bvalid && bready;
    wire [ADDR_WIDTH:0] ar_last = last_byte(araddr, arlen, arsize);
    wire [ADDR_WIDTH:0] aw_last = last_byte(awaddr, awlen, awsize);

    assign breach[10] = ar_take && ar_last[ADDR_WIDTH:12] != {1'b0, araddr[ADDR_WIDTH-1:12]};
    assign breach[11] = aw_take && aw_last[ADDR_WIDTH:12] != {1'b0, awaddr[ADDR_WIDTH-1:12]};
    assign breach[12] = ar_take && arburst != INCR;
    assign breach[13] = aw_take && awburst != INCR;
    assign breach[14] = ar_take && arsize > FULL_SIZE;
    assign breach[15] = aw_take && awsize > FULL_SIZE;

    // ---- lengths: bursts are answered in order here, so one queue per direction is enough
    reg [7:0] r_len [0:DEPTH-1], w_len [0:DEPTH-1];
    reg [ID_WIDTH-1:0] r_ids [0:DEPTH-1], b_ids [0:DEPTH-1];
    reg [ADDR_WIDTH-1:0] w_lo [0:DEPTH-1];
    reg [ADDR_WIDTH-1:0] w_hi [0:DEPTH-1];
    reg [DEPTH-1:0] w_open;
    reg [QUEUE_LOG2:0] r_in, r_out, w_in, w_out, b_out;
    reg [7:0] r_beat, w_beat;
    wire [QUEUE_LOG2-1:0] r_head = r_out[QUEUE_LOG2-1:0], r_tail = r_in[QUEUE_LOG2-1:0];
    wire [QUEUE_LOG2-1:0] w_head = w_out[QUEUE_LOG2-1:0], w_tail = w_in[QUEUE_LOG2-1:0];
    wire [QUEUE_LOG2-1:0] b_head = b_out[QUEUE_LOG2-1:0];

    assign breach[16] = w_take && w_in != w_out && wlast != (w_beat == w_len[w_head]);
    assign breach[17] = w_take && w_in == w_out && !aw_take;
    assign breach[18] = r_take && (r_in == r_out || rlast != (r_beat == r_len[r_head]));
    assign breach[19] = b_take && b_out == w_out;
    assign breach[20] = r_take && r_in != r_out && rid != r_ids[r_head];
    assign breach[21] = b_take && b_out != w_out && bid != b_ids[b_head];

    // ---- a read may not overlap a write that is not yet answered: memory may return either value
    wire [DEPTH-1:0] overlap;
    generate
        for (genvar i = 0; i < DEPTH; i++) begin : write
            assign overlap[i] = w_open[i] && araddr <= w_hi[i] && ar_last[ADDR_WIDTH-1:0] >= w_lo[i];
        end
    endgenerate
    assign breach[22] = ar_take && overlap != 0;

    // ---- valid must be low while reset is, and in the cycle after (A3.1.2)
    reg after_reset;
    assign breach[23] = after_reset && (arvalid || awvalid || wvalid);
    assign breach[31:24] = 0;

    always @(posedge clk) begin
        after_reset <= rst;
        if (ar_take) begin
            r_len[r_tail] <= arlen;
            r_ids[r_tail] <= arid;
            r_in <= r_in + 1'b1;
        end
        if (r_take) begin
            r_beat <= rlast ? 8'd0 : r_beat + 1'b1;
            if (rlast) r_out <= r_out + 1'b1;
        end
        if (aw_take) begin
            w_len[w_tail] <= awlen;
            b_ids[w_tail] <= awid;
            w_lo[w_tail] <= (awaddr >> awsize) << awsize;
            w_hi[w_tail] <= aw_last[ADDR_WIDTH-1:0];
            w_in <= w_in + 1'b1;
        end
        if (w_take) begin
            w_beat <= wlast ? 8'd0 : w_beat + 1'b1;
            if (wlast) w_out <= w_out + 1'b1;
        end
        if (b_take) b_out <= b_out + 1'b1;
        if (b_take) w_open[b_head] <= 1'b0;
        if (aw_take) w_open[w_tail] <= 1'b1;
        if (rst) begin
            {r_in, r_out, w_in, w_out, b_out, r_beat, w_beat} <= 0;
            w_open <= 0;
        end
    end
    assign busy = r_in != r_out || w_in != b_out;

    function automatic [7:0] lowest(input [31:0] bits);
        for (int i = 31; i >= 0; i--) if (bits[i]) lowest = 8'(i + 1);
    endfunction

    always @(posedge clk)
        if (rst || clear) begin
            violations <= 0;
            first_code <= 0;
            first_cycle <= 0;
        end else if (breach != 0) begin
            violations <= violations + 1;
            if (violations == 0) begin
                first_code <= lowest(breach);
                first_cycle <= cycle;
                $display("AXI4 protocol breach %0d in cycle %0d", lowest(breach), cycle);
            end
        end
endmodule
